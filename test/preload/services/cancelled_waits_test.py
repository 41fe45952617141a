import asyncio
import sys
import unittest
from collections.abc import Callable, Coroutine
from typing import Any
from unittest import mock

from webui_preload.services import cancelled_waits


class CancelledWaitsTest(unittest.IsolatedAsyncioTestCase):
    async def cancel_as_it_comes(self, wait_for: Callable[..., Coroutine[Any, Any, str]]) -> bool:
        """Whether the task that waits is cancelled where both come in one turn of the loop."""
        coming: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def wait() -> str:
            return await wait_for(coming, 5)

        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        coming.set_result("it came")
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    async def test_a_task_that_is_cancelled_ends(self) -> None:
        self.assertTrue(await self.cancel_as_it_comes(cancelled_waits.wait_for))
        self.assertEqual(await self.cancel_as_it_comes(asyncio.wait_for), sys.version_info >= (3, 12))

    async def test_returns_what_comes_and_gives_up_what_does_not(self) -> None:
        self.assertEqual(await cancelled_waits.wait_for(asyncio.sleep(0, "it came"), 5), "it came")
        self.assertEqual(await cancelled_waits.wait_for(asyncio.sleep(0, "it came"), None), "it came")
        for seconds in (0.01, 0, -1):
            with self.subTest(seconds), self.assertRaises(TimeoutError):
                await cancelled_waits.wait_for(asyncio.sleep(60), seconds)

    async def test_takes_the_place_of_python_3_11s(self) -> None:
        taken = cancelled_waits.wait_for
        for version, expected in (((3, 11), taken), ((3, 12), asyncio.wait_for)):
            with (
                self.subTest(version),
                mock.patch.object(sys, "version_info", version),
                mock.patch.multiple(asyncio, wait_for=asyncio.wait_for),
                mock.patch.multiple(asyncio.tasks, wait_for=asyncio.wait_for),
            ):
                cancelled_waits.keep_cancellations()
                self.assertEqual([asyncio.wait_for, asyncio.tasks.wait_for], [expected, expected])
