import asyncio
import tempfile
import unittest
from collections.abc import Awaitable, Callable
from pathlib import Path
from unittest import mock

from webui_preload.documents import client
from webui_preload.documents.client import Handover, Lost
from webui_preload.documents.jobs import Job, Jobs
from webui_preload.protocol import encode

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class HandoverTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.path = folder / "control.sock"
        self.jobs = Jobs(folder)
        self.handover = Handover(self.path, self.jobs)
        self.job = Job("upload", "file", "user", {})
        self.places: list[int] = []
        self.enterContext(mock.patch.object(client, "PAUSE", 0.01))

    async def on_place(self, place: int) -> None:
        self.places.append(place)

    async def serve(self, *serves: Serve) -> asyncio.Server:
        """A preload process that does the first of ``serves`` at the first connection, and so on."""
        waiting = list(serves)

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            await waiting.pop(0)(reader, writer)
            writer.close()

        server = await asyncio.start_unix_server(answer, self.path)
        self.addAsyncCleanup(close, server)
        return server

    async def run_job(self, *, may_leave: bool = False) -> str:
        return await asyncio.wait_for(self.handover.run(self.job, self.on_place, may_leave=may_leave), 10)

    async def test_tells_the_places_and_says_go_before_the_job_begins(self) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.assertEqual(self.jobs.get(self.job.name), self.job)
            for place in (2, 1, 0):
                writer.write(encode({"type": "place", "place": place}))
            self.assertEqual(await reader.readline(), encode({"type": "go"}))
            writer.write(encode({"type": "ended", "reason": "why"}))

        await self.serve(serve)
        self.assertEqual(await self.run_job(), "why")
        self.assertEqual(self.places[-1], 0)

    async def test_finds_the_next_preload_process(self) -> None:
        async def vanish(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
            pass

        async def end(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(encode({"type": "ended", "reason": ""}))

        running = asyncio.create_task(self.run_job())
        await self.serve(vanish, vanish, end)
        self.assertEqual(await running, "")

    async def test_a_worker_that_drains_leaves_its_uploads_to_the_preload_process(self) -> None:
        async def stay(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
            await reader.read()

        await self.serve(stay)
        running = asyncio.create_task(self.run_job(may_leave=True))
        await asyncio.sleep(0)
        self.handover.leave()
        self.assertEqual(await running, "")
        self.assertEqual(self.jobs.get(self.job.name), self.job)

    async def test_a_request_gives_up_where_nobody_comes(self) -> None:
        self.job = Job("index", "file", "user", {})
        with mock.patch.object(client, "PATIENCE", 0.05), self.assertRaises(Lost):
            await self.run_job()


async def close(server: asyncio.Server) -> None:
    server.close()
