import asyncio
import contextlib
import errno
import os
import socket
import unittest
from typing import Any
from unittest import mock

from child import in_child
from webui_preload.worker import accept_in_turn as accepting
from webui_preload.worker import loads
from webui_preload.worker.accept_in_turn import Accepting
from webui_preload.worker.loads import Load, Loads

#: The others have their turn, however busy the machine is.
PATIENT = mock.patch.object(accepting, "DEFERRAL", 1)


class LoadsTest(unittest.TestCase):
    def test_a_worker_sees_what_others_hold_that_take_connections(self) -> None:
        slots = Loads()
        ours, theirs, further = (self.given(slots) for _ in range(3))
        self.assertIsNone(ours.least_of_others())
        ours.tell(1)
        self.assertIsNone(ours.least_of_others())
        theirs.tell(5)
        further.tell(3)
        self.assertEqual(ours.least_of_others(), 3)
        self.assertEqual(further.least_of_others(), 1)
        further.leave()
        self.assertEqual(ours.least_of_others(), 5)
        slots.take_back(theirs)
        self.assertIsNone(ours.least_of_others())

    def test_it_is_seen_by_processes_that_were_forked_before(self) -> None:
        slots = Loads()
        ours, theirs = self.given(slots), self.given(slots)

        def told() -> str:
            theirs.tell(7)
            return "told"

        self.assertEqual(in_child(told), "told")
        self.assertEqual(ours.least_of_others(), 7)

    def test_a_worker_keeps_its_slot_whatever_it_counts(self) -> None:
        slots = Loads()
        ours, theirs = self.given(slots), self.given(slots)
        for count in (-1, -2):
            ours.tell(count)
            self.assertNotEqual(self.given(slots).slot, ours.slot)
            self.assertEqual(theirs.least_of_others(), 0)

    def test_slots_are_given_again_and_end(self) -> None:
        slots = Loads()
        given = [slots.give() for _ in range(loads.SLOTS)]
        self.assertIsNone(slots.give())
        slots.take_back(given[3])
        self.assertEqual(self.given(slots).slot, 3)

    def given(self, slots: Loads) -> Load:
        load = slots.give()
        assert load
        return load


class Held(asyncio.Protocol):
    """A connection, for as long as its client has it."""

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._worker.held.add(self)
        self._worker.accepting.tell()

    def connection_lost(self, exc: Exception | None) -> None:
        self._worker.held.discard(self)
        self._worker.accepting.tell()


class Worker:
    """One that accepts; several of them in one process wake as several processes do, one after another."""

    def __init__(self, listener: socket.socket, load: Load | None) -> None:
        self.held: set[Held] = set()
        self.arriving: set[asyncio.Task[Any]] = set()
        self.accepting = Accepting(listener.dup(), lambda: Held(self), lambda: len(self.held), self.arriving, load)


class AcceptingTest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.listener.setblocking(False)
        self.addCleanup(self.listener.close)
        self.clients: list[socket.socket] = []

    async def asyncTearDown(self) -> None:
        for client in self.clients:
            client.close()

    def connect(self, count: int) -> None:
        """As a browser does: at once, before anybody has taken the first."""
        self.clients += [socket.create_connection(self.listener.getsockname()) for _ in range(count)]

    async def until_held(self, workers: list[Worker], count: int) -> list[int]:
        async with asyncio.timeout(5):
            while sum(len(worker.held) for worker in workers) != count:
                await asyncio.sleep(0.001)
        return [len(worker.held) for worker in workers]

    def workers(self, count: int) -> list[Worker]:
        slots = Loads()
        return [Worker(self.listener, slots.give()) for _ in range(count)]

    async def test_a_burst_is_shared_out(self) -> None:
        workers = self.workers(3)
        with PATIENT:
            self.connect(12)
            held = await self.until_held(workers, 12)
        self.assertLessEqual(max(held) - min(held), 2, held)

    async def test_one_that_has_just_started_is_given_what_comes(self) -> None:
        [old] = self.workers(1)
        self.connect(6)
        await self.until_held([old], 6)
        slots = Loads()
        workers = [Worker(self.listener, slots.give()) for _ in range(2)]
        old.accepting.close()
        workers[0].held |= {Held(workers[0]) for _ in range(6)}
        workers[0].accepting.tell()
        with PATIENT:
            self.connect(4)
            await self.until_held(workers, 10)
        self.assertEqual(len(workers[1].held), 4)

    async def test_one_that_does_not_come_is_not_waited_for(self) -> None:
        slots = Loads()
        absent = slots.give()
        assert absent
        absent.tell(0)
        worker = Worker(self.listener, slots.give())
        self.connect(12)
        began = asyncio.get_running_loop().time()
        self.assertEqual(await self.until_held([worker], 12), [12])
        spent = asyncio.get_running_loop().time() - began
        self.assertGreater(spent, 10 * accepting.DEFERRAL)
        absent.leave()

    async def test_one_that_is_closed_is_counted_no_more_and_leaves_the_queue_to_the_others(self) -> None:
        first, second = self.workers(2)
        with PATIENT:
            self.connect(4)
            await self.until_held([first, second], 4)
        first.accepting.close()
        first.accepting.close()  # as uvicorn does at its end
        await first.accepting.wait_closed()
        self.connect(6)
        held = await self.until_held([first, second], 10)
        self.assertLessEqual(held[0], 3)

    async def test_without_a_slot_it_takes_what_comes(self) -> None:
        worker = Worker(self.listener, None)
        self.connect(5)
        self.assertEqual(await self.until_held([worker], 5), [5])

    async def test_where_there_is_no_room_it_says_so_and_tries_again(self) -> None:
        full = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        with (
            mock.patch.object(accepting, "RETRY_DELAY", 0.01),
            mock.patch.object(accepting, "complain") as complain,
            mock.patch.object(socket.socket, "accept", side_effect=full) as accept,
        ):
            worker = Worker(self.listener, None)
            self.connect(1)
            async with asyncio.timeout(5):
                while accept.call_count < 3:
                    await asyncio.sleep(0.001)
        self.assertIn("Too many open files", complain.call_args[0][0])
        self.assertEqual(await self.until_held([worker], 1), [1])

    async def test_a_client_that_has_gone_meanwhile_is_nothing(self) -> None:
        worker = Worker(self.listener, None)
        self.connect(1)
        self.clients.pop().close()
        self.connect(1)
        self.assertEqual(await self.until_held([worker], 1), [1])
        with contextlib.suppress(asyncio.CancelledError):
            await worker.accepting.wait_closed()
        self.assertFalse(worker.arriving)
