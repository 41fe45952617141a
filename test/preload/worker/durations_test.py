import asyncio
import unittest
from typing import Any

from webui_preload.asgi import Message, Receive, Scope, Send
from webui_preload.contract import DURATION_BOUNDS, REQUEST_KINDS
from webui_preload.worker.drain import WorkMeter
from webui_preload.worker.durations import Durations, time_database_connections


class DurationsTest(unittest.TestCase):
    def test_a_bound_belongs_to_its_bucket_as_in_prometheus(self) -> None:
        durations = Durations()
        for seconds in (0, DURATION_BOUNDS[0], DURATION_BOUNDS[0] + 0.0001, 3600):
            durations.note(seconds)
        total, *counts = durations.told()
        self.assertEqual(len(counts), len(DURATION_BOUNDS) + 1)
        self.assertEqual((counts[0], counts[1], counts[-1], sum(counts)), (2, 1, 1, 4))
        self.assertAlmostEqual(total, 3600.0021, 6)


class DatabaseWaitTest(unittest.IsolatedAsyncioTestCase):
    async def test_it_is_measured_as_the_app_asks_also_where_no_connection_comes(self) -> None:
        from sqlalchemy.exc import TimeoutError as NoConnection
        from sqlalchemy.ext.asyncio import create_async_engine
        from sqlalchemy.pool import AsyncAdaptedQueuePool, Pool

        self.addCleanup(setattr, Pool, "connect", Pool.connect)
        waits = time_database_connections()
        engine = create_async_engine(
            "sqlite+aiosqlite://",
            poolclass=AsyncAdaptedQueuePool,
            pool_size=1,
            max_overflow=0,
            pool_timeout=0.3,
        )
        held = await engine.connect()
        with self.assertRaises(NoConnection):
            await engine.connect()

        async def give_back() -> None:
            await asyncio.sleep(0.1)
            await held.close()

        giving = asyncio.create_task(give_back())
        await (await engine.connect()).close()
        await giving
        await engine.dispose()
        total, *counts = waits.told()
        self.assertEqual(sum(counts), 3)
        self.assertGreaterEqual(total, 0.4)


class RequestsTest(unittest.IsolatedAsyncioTestCase):
    async def durations_of(self, path: str, *messages: Message, fails: bool = False) -> dict[str, float]:
        """How many requests of each kind were counted after one."""

        async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
            for message in messages:
                await send(message)
            if fails:
                raise ConnectionError

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        async def send(_message: Message) -> None:
            pass

        meter = WorkMeter(app)
        try:
            await meter({"type": "http", "path": path}, receive, send)
        except ConnectionError:
            pass
        return {kind: sum(one.told()[1:]) for kind, one in meter.durations.items() if sum(one.told()[1:])}

    async def test_each_request_is_of_one_kind_and_counted_once(self) -> None:
        def answer(content_type: str) -> tuple[Message, Message, Message]:
            headers = [(b"Content-Type", content_type.encode())]
            return (
                {"type": "http.response.start", "status": 200, "headers": headers},
                {"type": "http.response.body", "body": b"a", "more_body": True},
                {"type": "http.response.body", "body": b"b"},
            )

        whole, streamed = answer("application/json"), answer("text/event-stream; charset=utf-8")
        for path, messages, kind in (
            ("/api/v1/chats/", whole, "api"),
            ("/", whole, "page"),
            ("/_app/immutable/x.js", whole, "page"),
            ("/api/v1/files/x/process/status", streamed, "stream"),
            ("/api/chat/completions", whole, "stream"),
            ("/ollama/api/chat", answer("application/x-ndjson"), "stream"),
        ):
            with self.subTest(path):
                self.assertEqual(await self.durations_of(path, *messages), {kind: 1})

    async def test_one_that_the_client_left_counts_too(self) -> None:
        self.assertEqual(await self.durations_of("/api/config", fails=True), {"api": 1})

    async def test_long_polls_do_not_count(self) -> None:
        body: Message = {"type": "http.response.body", "body": b""}
        self.assertEqual(await self.durations_of("/ws/socket.io/", body), {})

    async def test_the_end_of_the_answer_counts_not_that_of_what_follows(self) -> None:
        go_on = asyncio.Event()

        async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
            await send({"type": "http.response.body", "body": b"all"})
            await go_on.wait()  # a background task

        async def send(_message: Message) -> None:
            pass

        unused: Any = None
        meter = WorkMeter(app)
        task = asyncio.create_task(meter({"type": "http", "path": "/api/x"}, unused, send))
        await asyncio.sleep(0)
        self.assertEqual(sum(meter.durations["api"].told()[1:]), 1)
        go_on.set()
        await task
        self.assertEqual(set(meter.durations), set(REQUEST_KINDS))
