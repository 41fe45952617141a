import contextlib
import io
import os
import threading
import unittest
import uuid
from collections.abc import Iterator
from unittest import mock

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool
from webui_preload.services import migration_lock
from webui_preload.services.migration_lock import MigrationLock

SERVER = os.environ.get("WEBUI_TUNE_TEST_POSTGRES", "postgresql://root@127.0.0.1:5432/postgres")


@contextlib.contextmanager
def database() -> Iterator[str]:
    """URL of a new, empty database."""
    name = f"webui_tune_test_{uuid.uuid4().hex[:12]}"
    engine = create_engine(SERVER, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield f"{SERVER.rpartition('/')[0]}/{name}"
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


class MigrationLockTest(unittest.TestCase):
    def setUp(self) -> None:
        try:
            self.url = self.enterContext(database())
        except OperationalError as error:
            self.skipTest(f"no PostgreSQL at {SERVER}: {error}")
        self.environ = {"DATABASE_URL": self.url}
        self.said: list[str] = []
        self.enterContext(mock.patch.object(migration_lock, "say", self.said.append))

    def second(self) -> tuple[threading.Thread, MigrationLock]:
        other = MigrationLock()
        thread = threading.Thread(target=other.acquire, args=(self.environ,))
        thread.start()
        return thread, other

    def until_waiting(self) -> None:
        engine = create_engine(self.url, poolclass=NullPool)
        waiting = text("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)")
        with engine.connect() as connection:
            while not connection.execute(waiting).scalar():
                connection.rollback()

    def test_the_second_start_waits_until_the_first_has_filled_the_database(self) -> None:
        first = MigrationLock()
        first.acquire(self.environ)
        thread, other = self.second()
        self.until_waiting()
        self.assertIn("another installation is starting on this database", self.said[0])
        connections: dict[int, str] = {}
        first.imported(connections)
        self.assertEqual(list(connections.values()), ["the migration lock"])
        self.assertTrue(thread.is_alive())
        first.release()
        self.assertEqual(connections, {})
        thread.join(5)
        self.assertFalse(thread.is_alive())
        other.release()

    def test_of_a_filled_database_only_the_migration_is_waited_for(self) -> None:
        with create_engine(self.url, poolclass=NullPool).begin() as connection:
            connection.execute(text("CREATE TABLE config AS SELECT 'a' AS key"))
        first = MigrationLock()
        first.acquire(self.environ)
        thread, other = self.second()
        self.until_waiting()
        connections: dict[int, str] = {}
        first.imported(connections)
        self.assertEqual(connections, {})
        thread.join(5)
        self.assertFalse(thread.is_alive())
        other.release()

    def test_it_outlives_the_servers_limit_for_idle_transactions(self) -> None:
        with create_engine(self.url, poolclass=NullPool).begin() as connection:
            name = connection.execute(text("SELECT current_database()")).scalar()
            connection.execute(text(f"ALTER DATABASE {name} SET idle_in_transaction_session_timeout = '1h'"))
        lock = MigrationLock()
        lock.acquire(self.environ)
        limit = lock._connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar()
        self.assertEqual(limit, "0")
        lock.release()

    def test_there_is_none_without_postgresql(self) -> None:
        lock = MigrationLock()
        with contextlib.redirect_stdout(io.StringIO()):
            lock.acquire({"DATABASE_URL": "sqlite:////nowhere"})
        connections: dict[int, str] = {}
        lock.imported(connections)
        lock.release()
        self.assertEqual(connections, {})
