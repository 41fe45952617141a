import asyncio
import socket
import unittest
from collections.abc import Generator
from unittest import mock

from psycopg import OperationalError, waiting
from psycopg.waiting import READY_R, READY_W, WAIT_R, WAIT_RW
from webui_preload.shortcuts.psycopg_wait import wait_async, wait_lightly


class WaitTest(unittest.TestCase):
    def setUp(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.addCleanup(self.ours.close)
        self.addCleanup(self.theirs.close)

    def told(self, *wants: int, interval: float = 5.0) -> list[int]:
        """What a generator is told that wants these one after the other."""

        def gen() -> Generator[int, int, list[int]]:
            told = []
            for want in wants:
                told.append((yield want))
            return told

        return asyncio.run(wait_async(gen(), self.ours.fileno(), interval))

    def test_ends_at_once_where_nothing_is_waited_for(self) -> None:
        self.assertEqual(self.told(), [])

    def test_tells_what_the_socket_is_ready_for(self) -> None:
        self.assertEqual(self.told(WAIT_RW), [READY_W])
        self.theirs.send(b"x")
        self.assertEqual(self.told(WAIT_R, WAIT_R), [READY_R, READY_R])

    def test_tells_of_an_interval_without_news(self) -> None:
        self.assertEqual(self.told(WAIT_R, WAIT_R, interval=0.01), [0, 0])

    def test_leaves_no_reader_behind_when_it_is_cancelled(self) -> None:
        def gen() -> Generator[int, int, None]:
            yield WAIT_R

        async def run() -> None:
            task = asyncio.create_task(wait_async(gen(), self.ours.fileno(), 5.0))
            await asyncio.sleep(0)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            self.assertFalse(asyncio.get_running_loop().remove_reader(self.ours.fileno()))

        asyncio.run(run())

    def test_calls_a_broken_socket_an_operational_error(self) -> None:
        def gen() -> Generator[int, int, None]:
            yield WAIT_R
            raise ConnectionResetError

        self.theirs.close()
        with self.assertRaises(OperationalError):
            asyncio.run(wait_async(gen(), self.ours.fileno(), 5.0))

    def test_replaces_the_one_that_it_knows_alone(self) -> None:
        async def other(gen: object) -> None: ...

        with mock.patch.object(waiting, "wait_async", other):
            self.assertFalse(wait_lightly())
            self.assertIs(waiting.wait_async, other)
        with mock.patch.object(waiting, "wait_async", waiting.wait_async):
            self.assertTrue(wait_lightly())
            self.assertIs(waiting.wait_async, wait_async)
