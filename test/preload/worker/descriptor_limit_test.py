import asyncio
import os
import resource
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from webui_preload.worker import descriptor_limit as admission
from webui_preload.worker.descriptor_limit import Admission, most_connections


class Server:
    def __init__(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False


@contextmanager
def limit(soft: float) -> Iterator[None]:
    with mock.patch.object(resource, "getrlimit", lambda _: (soft, soft)):
        yield


class AdmissionTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self) -> None:
        self.connections: set[int] = set()
        self.listened = 0
        with mock.patch.object(os, "listdir", lambda _: ["0"] * 20):
            self.admission = Admission(lambda: self.servers, self.connections, self.listen)
        self.servers: list[Any] = [Server()]
        words = [mock.patch.object(admission, name) for name in ("complain", "say")]
        self.complain, self.say = (word.start() for word in words)
        for word in words:
            self.addCleanup(word.stop)

    def listen(self) -> Any:
        self.listened += 1
        return Server()

    def with_connections(self, count: int) -> bool:
        """Whether connections are taken after a look at so many."""
        self.connections.clear()
        self.connections.update(range(count))
        with limit(120):
            self.admission.connected()
            self.admission.look()
        return bool(self.servers)

    def test_a_quarter_of_what_is_free_is_left_to_requests(self) -> None:
        self.assertEqual(most_connections(120, 20), 75)
        self.assertEqual(most_connections(20, 20), 1)

    async def test_it_stops_at_the_most_and_goes_on_well_below(self) -> None:
        (first,) = self.servers
        self.assertTrue(self.with_connections(74))
        self.assertFalse(self.with_connections(75))
        self.assertFalse(first.is_open)
        self.assertFalse(self.with_connections(70))
        self.assertFalse(self.with_connections(80))
        self.complain.assert_called_once()
        self.assertIn("limit of open files (120)", self.complain.call_args[0][0])
        self.assertTrue(self.with_connections(60))
        self.assertEqual(self.listened, 1)
        self.say.assert_called_once()

    async def test_without_a_limit_it_takes_all(self) -> None:
        self.connections.update(range(100_000))
        with limit(resource.RLIM_INFINITY):
            self.admission.connected()
            self.admission.look()
        self.assertTrue(self.servers)

    async def test_it_looks_by_itself(self) -> None:
        self.connections.update(range(75))
        with limit(120), mock.patch.object(admission, "INTERVAL", 0):
            watching = asyncio.create_task(self.admission.watch())
            self.admission.connected()
            self.assertFalse(self.servers)
            self.connections.clear()
            while not self.servers:
                await asyncio.sleep(0)
            watching.cancel()
