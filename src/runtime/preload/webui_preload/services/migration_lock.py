"""One start at a time migrates and seeds a PostgreSQL database, wherever the others run.

Within an installation the preload process sees to that; two installations on one database know nothing of each other,
and Open WebUI (0.12.4) takes no lock: on an empty database both create the same tables.
"""

import contextlib
from collections.abc import Mapping
from typing import Any

from ..log import say
from ..settings import database_url

#: Any number that nothing else uses; PostgreSQL keeps advisory locks apart by database. ("webuitun" in ASCII.)
KEY = int.from_bytes(b"webuitun")


class MigrationLock:
    """Taken by `acquire`, let go of by `release` or by the end of the process. Without PostgreSQL it is none."""

    def __init__(self) -> None:
        self._connection: Any = None
        self._is_seeded = False
        self._number = -1
        self._connections: dict[int, str] = {}

    def acquire(self, environ: Mapping[str, str]) -> None:
        """Waits, with a line of log, while another start holds it."""
        url = database_url(environ)
        if not url.startswith("postgres"):
            return
        from sqlalchemy import create_engine, text
        from sqlalchemy.pool import NullPool

        self._connection = create_engine(url, poolclass=NullPool).connect()
        # Of the transaction, not of the session: a pooler (PgBouncer) may give each transaction another session.
        attempt = text("SELECT pg_try_advisory_xact_lock(:key)")
        if not self._connection.execute(attempt, {"key": KEY}).scalar():
            say("waiting: another installation is starting on this database, and may be migrating it")
            self._connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": KEY})
        self._is_seeded = self._has_settings(environ.get("DATABASE_SCHEMA") or None)

    def _has_settings(self, schema: str | None) -> bool:
        """Whether a worker has started on this database before: it fills the ``config`` table."""
        from sqlalchemy import inspect, text

        if not inspect(self._connection).has_table("config", schema=schema):
            return False
        table = f'"{schema}".config' if schema else "config"
        return bool(self._connection.execute(text(f"SELECT EXISTS (SELECT FROM {table})")).scalar())

    def imported(self, connections: dict[int, str]) -> None:
        """The database is migrated; what is left to do is to fill an empty one.

        ``connections`` are those that each child cuts: one that shared this would mix up its answers.
        """
        if self._is_seeded:
            self.release()
        elif self._connection:
            self._number = self._connection.connection.fileno()
            self._connections = connections
            connections[self._number] = "the migration lock"

    def release(self) -> None:
        connection, self._connection = self._connection, None
        # The number may be another's from now on.
        self._connections.pop(self._number, None)
        if connection:
            with contextlib.suppress(Exception):  # a server that is gone has let go of it too
                connection.close()
