import asyncio
import contextlib
import os
import unittest
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from unittest import mock

from psycopg import AsyncCursor
from sqlalchemy import event, text
from sqlalchemy.exc import NotSupportedError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from webui_preload.shortcuts import round_trips
from webui_preload.shortcuts.round_trips import only_reads, spare_round_trips

#: As in CONTRIBUTING.md.
POSTGRES = os.environ.get("WEBUI_TUNE_TEST_POSTGRES", "postgresql://root@127.0.0.1:5432/postgres")


class OnlyReadsTest(unittest.TestCase):
    def test_reads(self) -> None:
        for statement in (
            "SELECT auth.id, auth.email \nFROM auth \nWHERE auth.id = %(pk_1)s::VARCHAR",
            "SELECT count(*) AS count_1 FROM chat WHERE chat.user_id IN (%(a_1)s::VARCHAR, %(a_2)s::VARCHAR)",
            "(SELECT a FROM b) UNION (SELECT c FROM d)",
            "WITH x AS (SELECT 1) SELECT coalesce(max(y), 0) FROM x",
            'SELECT "group".id FROM "group" WHERE EXISTS (SELECT 1 FROM json_array_elements("group".ids))',
        ):
            with self.subTest(statement):
                self.assertTrue(only_reads(statement))

    def test_may_do_more(self) -> None:
        for statement in (
            "UPDATE chat SET title = 'select'",
            "INSERT INTO chat SELECT 1",
            "SELECT id FROM chat FOR UPDATE",
            "SELECT id FROM chat FOR NO KEY UPDATE SKIP LOCKED",
            "SELECT id INTO other FROM chat",
            "SELECT 1; DELETE FROM chat",
            "WITH gone AS (DELETE FROM chat RETURNING id) SELECT id FROM gone",
            "SELECT pg_advisory_xact_lock(731947205)",
            "SELECT pg_try_advisory_lock (1)",
            "SELECT nextval('ids')",
            "SELECT set_config('a', 'b', true)",
            'SELECT "count"(1)',
            "SELECT theirs.count(1)",
            "SAVEPOINT sa_savepoint_1",
            "DECLARE c CURSOR WITH HOLD AS SELECT 1",
            "LOCK TABLE chat",
            "EXPLAIN SELECT 1",
            "SELECT my$count(51)",
            "SELECT bump/* */(51)",
            "SELECT bump--\n(51)",
        ):
            with self.subTest(statement):
                self.assertFalse(only_reads(statement))

    def test_does_not_keep_long_statements(self) -> None:
        ids = ", ".join(f"%(id_{number})s::VARCHAR" for number in range(1000))
        before = round_trips._kept_only_reads.cache_info().currsize
        self.assertTrue(only_reads(f"SELECT chat.id FROM chat WHERE chat.id IN ({ids})"))
        self.assertEqual(round_trips._kept_only_reads.cache_info().currsize, before)


class RoundTripsTest(unittest.TestCase):
    """Beside a real PostgreSQL."""

    def on_engine(self, check: Callable[[AsyncEngine], Awaitable[None]], **connect: Any) -> None:
        async def run() -> None:
            url = POSTGRES.replace("postgresql://", "postgresql+psycopg://", 1)
            engine = create_async_engine(url, pool_pre_ping=True, pool_size=1, max_overflow=0, connect_args=connect)
            spare_round_trips(engine.sync_engine)
            try:
                await check(engine)
            finally:
                await engine.dispose()

        asyncio.run(run())

    def test_sends_a_read_without_a_transaction(self) -> None:
        async def check(engine: AsyncEngine) -> None:
            async with engine.connect() as connection:
                for _ in range(2):
                    await connection.execute(text("SELECT count(*) FROM pg_class"))
                    self.assertEqual(await state(connection), "IDLE")

        self.on_engine(check)

    def test_begins_ahead_of_anything_else_and_stays_in_the_transaction(self) -> None:
        async def check(engine: AsyncEngine) -> None:
            async with engine.connect() as connection:
                await connection.execute(text("SELECT count(*) FROM pg_class"))
                await connection.execute(text("CREATE TEMPORARY TABLE heron (id int)"))
                await connection.execute(text("INSERT INTO heron VALUES (1)"))
                self.assertEqual(await count(connection), 1)
                self.assertEqual(await state(connection), "INTRANS")
                await connection.commit()
            async with engine.connect() as connection:
                self.assertEqual(await count(connection), 1)
                self.assertEqual(await state(connection), "IDLE")
                await connection.execute(text("DELETE FROM heron"))
                self.assertEqual(await count(connection), 0)
                await connection.rollback()
                self.assertEqual(await count(connection), 1)

        self.on_engine(check)

    def test_keeps_locks_and_savepoints_in_a_transaction(self) -> None:
        async def check(engine: AsyncEngine) -> None:
            async with engine.connect() as connection:
                await connection.execute(text("SELECT pg_advisory_xact_lock(20251121)"))
                self.assertEqual(await state(connection), "INTRANS")
            async with engine.connect() as connection, connection.begin_nested():
                self.assertEqual(await state(connection), "INTRANS")

        self.on_engine(check)

    def test_leaves_a_session_of_another_isolation_alone(self) -> None:
        async def check(engine: AsyncEngine) -> None:
            async with engine.connect() as connection:
                await connection.execute(text("SELECT count(*) FROM pg_class"))
                self.assertEqual(await state(connection), "INTRANS")

        self.on_engine(check, options="-c default_transaction_isolation=repeatable\\ read")

    def test_leaves_a_connection_with_an_isolation_level_of_its_own_alone(self) -> None:
        async def check(engine: AsyncEngine) -> None:
            async with engine.connect() as connection:
                serializable = await connection.execution_options(isolation_level="SERIALIZABLE")
                await serializable.execute(text("SELECT count(*) FROM pg_class"))
                self.assertEqual(await state(serializable), "INTRANS")
            async with engine.connect() as connection:
                automatic = await connection.execution_options(isolation_level="AUTOCOMMIT")
                await automatic.execute(text("CREATE TEMPORARY TABLE heron (id int)"))
                self.assertEqual(await state(automatic), "IDLE")
            async with engine.connect() as connection:
                await connection.execute(text("SELECT count(*) FROM heron"))
                self.assertEqual(await state(connection), "IDLE")

        self.on_engine(check)

    def test_streams_from_a_cursor_of_the_server(self) -> None:
        async def check(engine: AsyncEngine) -> None:
            async with engine.connect() as connection:
                result = await connection.stream(text("SELECT relname FROM pg_class"))
                self.assertGreater(len([row async for row in result]), 10)

        self.on_engine(check)

    def test_goes_on_with_a_new_connection_where_the_server_ended_the_one_of_a_moment_ago(self) -> None:
        async def check(engine: AsyncEngine) -> None:
            first = await backend(engine)
            self.assertEqual(await backend(engine), first)
            killer = create_async_engine(engine.url)
            async with killer.connect() as connection:
                await connection.execute(text(f"SELECT pg_terminate_backend({first}, 5000)"))
            await killer.dispose()
            self.assertNotEqual(await backend(engine), first)

        self.on_engine(check)

    def test_answers_where_a_column_has_changed_its_type(self) -> None:
        async def check(engine: AsyncEngine) -> None:
            names = text("SELECT name FROM warbler ORDER BY 1")
            for at_once in (True, False):  # outside of a transaction, and within one
                async with changing_table(engine, "warbler") as change:
                    for _ in range(8):  # psycopg prepares at the sixth
                        async with engine.connect() as connection:
                            await connection.execute(names)
                    await change("ALTER TABLE warbler ALTER COLUMN name TYPE varchar(2000)")
                    async with engine.connect() as connection:
                        if not at_once:
                            await connection.execute(text("INSERT INTO warbler VALUES ('b')"))
                        rows = (await connection.execute(names)).scalars().all()
                        self.assertEqual(rows, ["a"] if at_once else ["a", "b"])

        self.on_engine(check)

    def test_still_says_what_the_server_does_not_support(self) -> None:
        async def check(engine: AsyncEngine) -> None:
            async with engine.connect() as connection:
                with self.assertRaises(NotSupportedError):
                    await connection.execute(text("SELECT DISTINCT ON (1) 1 FROM other.pg_catalog.pg_class"))
            self.assertEqual(await backend(engine), await backend(engine))

        self.on_engine(check)

    def test_leaves_a_database_with_views_alone(self) -> None:
        async def check(engine: AsyncEngine) -> None:
            async with changing_table(engine, "bunting") as change:
                await change("CREATE VIEW bittern AS SELECT pg_try_advisory_lock(20251122) FROM bunting")
                await engine.dispose()
                async with engine.connect() as connection:
                    await connection.execute(text("SELECT * FROM bittern"))
                    self.assertEqual(await state(connection), "INTRANS")

        self.on_engine(check)

    def test_does_not_ping_a_connection_of_a_moment_ago(self) -> None:
        async def check(engine: AsyncEngine) -> None:
            await backend(engine)
            with mock.patch.object(AsyncCursor, "execute", autospec=True, side_effect=AsyncCursor.execute) as execute:
                await backend(engine)
                self.assertEqual(execute.call_count, 1)
                with mock.patch.object(round_trips, "FRESH_FOR", 0.0):
                    await backend(engine)
                self.assertEqual(execute.call_count, 3)

        self.on_engine(check)


@contextlib.asynccontextmanager
async def changing_table(engine: AsyncEngine, name: str) -> AsyncIterator[Callable[[str], Awaitable[None]]]:
    """A table with one name in it, in a schema of its own; what is given runs a statement on another connection."""
    schema = f"webui_tune_{os.getpid()}"
    other = create_async_engine(engine.url, connect_args={"options": f"-c search_path={schema}"})

    async def run(statement: str) -> None:
        async with other.begin() as connection:
            await connection.execute(text(statement))

    def enter(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"SET search_path TO {schema}")
        cursor.close()
        connection.commit()

    event.listen(engine.sync_engine, "connect", enter, insert=True)
    await engine.dispose()
    await run(f"CREATE SCHEMA {schema}")
    try:
        await run(f"CREATE TABLE {name} (name varchar(20))")
        await run(f"INSERT INTO {name} VALUES ('a')")
        yield run
    finally:
        event.remove(engine.sync_engine, "connect", enter)
        await engine.dispose()
        await run(f"DROP SCHEMA {schema} CASCADE")
        await other.dispose()


async def state(connection: AsyncConnection) -> str:
    raw = await connection.get_raw_connection()
    driver: Any = raw.driver_connection
    return str(driver.info.transaction_status.name)


async def count(connection: AsyncConnection) -> int:
    return int((await connection.execute(text("SELECT count(*) FROM heron"))).scalar_one())


async def backend(engine: AsyncEngine) -> int:
    """The process of the server that answers; one connection of the pool, taken and given back."""
    async with engine.connect() as connection:
        raw = await connection.get_raw_connection()
        driver: Any = raw.driver_connection
        await connection.execute(text("SELECT count(*) FROM pg_class"))
        return int(driver.info.backend_pid)
