"""Lets one start at a time migrate and seed a PostgreSQL database, on whatever machines the others run.

Within an installation, the preload process ensures that. Two installations on one database know nothing of each
other, and Open WebUI (0.12.4) takes no lock: on an empty database, both create the same tables.
"""

import contextlib
from collections.abc import Mapping
from typing import Any

from ..log import say
from ..settings import database_url

#: A number that nothing else uses: "webuitun" in ASCII. PostgreSQL's advisory locks are separate in each database.
KEY = int.from_bytes(b"webuitun")


class MigrationLock:
    """`acquire` takes it; `release`, or the end of the process, lets go of it. Without PostgreSQL it does nothing."""

    def __init__(self) -> None:
        self._connection: Any = None
        self._is_seeded = False
        self._number = -1
        self._connections: dict[int, str] = {}

    def acquire(self, environ: Mapping[str, str]) -> None:
        """Wait, with a line in the log, while another start holds it."""
        url = database_url(environ)
        if not url.startswith("postgres"):
            return
        from sqlalchemy import create_engine, text
        from sqlalchemy.pool import NullPool

        self._connection = create_engine(url, poolclass=NullPool).connect()
        # The import may take longer than the server lets a transaction idle.
        self._connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        # The lock belongs to a transaction, because a pooler (PgBouncer) may give each transaction another session.
        attempt = text("SELECT pg_try_advisory_xact_lock(:key)")
        if not self._connection.execute(attempt, {"key": KEY}).scalar():
            say("waiting: another installation is starting on this database, and may be migrating it")
            self._connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": KEY})
        self._is_seeded = self._has_settings(environ.get("DATABASE_SCHEMA") or None)

    def _has_settings(self, schema: str | None) -> bool:
        """Whether a worker has started on this database before, and so has filled the ``config`` table."""
        from sqlalchemy import inspect, text

        if not inspect(self._connection).has_table("config", schema=schema):
            return False
        table = f'"{schema}".config' if schema else "config"
        return bool(self._connection.execute(text(f"SELECT EXISTS (SELECT FROM {table})")).scalar())

    def imported(self, connections: dict[int, str]) -> None:
        """The import has migrated the database; only an empty one still has to be filled.

        ``connections`` are those that each child cuts. This one is added: children that shared it would mix up its
        answers.
        """
        if self._is_seeded:
            self.release()
        elif self._connection:
            self._number = self._connection.connection.fileno()
            self._connections = connections
            connections[self._number] = "the migration lock"

    def release(self) -> None:
        connection, self._connection = self._connection, None
        # From now on, another descriptor may have the number.
        self._connections.pop(self._number, None)
        if connection:
            with contextlib.suppress(Exception):  # where the server is gone, so is the lock
                connection.close()
