"""Answers wait for the database, and nobody else does."""

import asyncio
import os
import socket
import unittest
from collections.abc import Coroutine
from typing import Any

from sqlalchemy import case, event, func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from webui_preload.services.patient_answers import PatientSession, as_answer, at_last

SERVER = os.environ.get("WEBUI_TUNE_TEST_POSTGRES", "postgresql://root@127.0.0.1:5432/postgres")


class PatientAnswers(unittest.TestCase):
    """The real driver and PostgreSQL, in whose place nobody listens at first."""

    def setUp(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.unused = listener.getsockname()[1]
        self.is_back = False
        self.attempts = 0

    def engine(self, longest: float = 60) -> AsyncEngine:
        url = SERVER.replace("postgresql://", "postgresql+psycopg://", 1)
        engine = create_async_engine(url, pool_size=1, max_overflow=0, pool_timeout=5)
        raw = engine.sync_engine

        @event.listens_for(raw, "do_connect")
        def connect(_dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]) -> None:
            self.attempts += 1
            if not self.is_back:
                parameters.update(host="127.0.0.1", port=self.unused)

        raw.raw_connection = at_last(  # type: ignore[method-assign]
            raw.raw_connection, interval=0.02, longest=longest
        )
        return engine

    async def select(self, engine: AsyncEngine) -> Any:
        async with engine.connect() as connection:
            return (await connection.execute(text("SELECT 1"))).scalar()

    async def answer(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        async def create(_redis: None, work: Coroutine[Any, Any, Any], id: str) -> asyncio.Task[Any]:
            self.assertEqual(id, "a chat")
            return asyncio.create_task(work)

        task: asyncio.Task[Any] = await as_answer(create)(None, coroutine, id="a chat")
        return task

    def test_answers_wait_and_others_fail_at_once(self) -> None:
        async def run() -> list[Any]:
            engine = self.engine()
            # Three, where the pool has one place.
            tasks = [await self.answer(self.select(engine)) for _ in range(3)]
            while self.attempts < 6:
                await asyncio.sleep(0.01)
            with self.assertRaises(OperationalError):
                await self.select(engine)
            self.assertFalse(any(task.done() for task in tasks))
            self.is_back = True
            answers = await asyncio.gather(*tasks)
            await engine.dispose()
            return answers

        self.assertEqual(asyncio.run(run()), [1, 1, 1])

    def test_an_answer_that_waits_can_be_stopped(self) -> None:
        async def run() -> None:
            engine = self.engine()
            task = await self.answer(self.select(engine))
            while self.attempts < 2:
                await asyncio.sleep(0.01)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task

        asyncio.run(run())

    def test_an_answer_gives_up_at_last(self) -> None:
        async def run() -> None:
            task = await self.answer(self.select(self.engine(longest=0.1)))
            with self.assertRaises(OperationalError):
                await task

        asyncio.run(run())
        self.assertGreater(self.attempts, 1)

    def test_a_query_whose_connection_is_ended_is_repeated_where_it_reads_only(self) -> None:
        """The server ends the connection as it does where it is stopped (SQLSTATE 57P01)."""

        async def run() -> None:
            self.is_back = True
            engine = self.engine()
            sessions = async_sessionmaker(engine, class_=AsyncSession, sync_session_class=PatientSession)

            async def ask(query: Any, *, first: Any = None) -> Any:
                async with sessions() as session:
                    if first is not None:
                        await session.execute(first)
                    return (await session.execute(query)).scalar()

            pid = select(func.pg_backend_pid())
            end = select(func.pg_terminate_backend(func.pg_backend_pid()))
            ended = await ask(pid)
            # Ends its own connection each time but the last: the pool's only one is another then.
            once = select(case((func.pg_backend_pid() == ended, end.scalar_subquery()), else_=False))
            self.assertFalse(await (await self.answer(ask(once))))
            self.assertNotEqual(await ask(pid), ended)
            for refused in (
                ask(end),
                await self.answer(ask(text("SELECT pg_terminate_backend(pg_backend_pid())"))),
                await self.answer(ask(end, first=pid)),
            ):
                with self.assertRaises(OperationalError):
                    await refused
            await engine.dispose()

        asyncio.run(run())
