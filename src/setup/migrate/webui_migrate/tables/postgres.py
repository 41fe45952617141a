"""The target: connects, and reads its tables."""

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from ..answers import Refused
from .columns import Column

Connection = psycopg.Connection[tuple[Any, ...]]

#: Of pg_try_advisory_lock: one migration at a time.
_LOCK = 7_317_042
#: Seconds until the server has ended the session of a migration that was killed.
_LOCK_TIMEOUT = 60.0
_CONNECT_TIMEOUT = 20
#: Names of our own tables start so. Open WebUI's migrations look at none of them.
PREFIX = "webui_tune_migration_"


@dataclass
class TargetTable:
    name: str
    columns: dict[str, Column]
    #: Columns of the primary key, in its order.
    key: list[str]


def connect(url: str, schema: str | None, *, autocommit: bool = False) -> Connection:
    """Connects as Open WebUI would. A password is never in the error."""
    parts = urlsplit(url)
    if not parts.scheme.startswith("postgres"):
        raise Refused(
            "target-unreachable", "the target is no PostgreSQL URL", "Give postgresql://user@host:5432/name."
        )
    plain = urlunsplit(parts._replace(scheme="postgresql"))
    try:
        connection = psycopg.connect(
            plain, autocommit=True, connect_timeout=_CONNECT_TIMEOUT, application_name="webui-tune migrate"
        )
    except psycopg.OperationalError as error:
        raise Refused(
            "target-unreachable",
            f"PostgreSQL at {parts.hostname}:{parts.port or 5432} cannot be used: {str(error).strip()}",
            "Start the server, or correct the URL.",
        ) from None
    for setting in ("statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout"):
        connection.execute(sql.SQL("SET {} = 0").format(sql.Identifier(setting)))
    connection.execute("SET client_encoding = 'UTF8'")
    # A session's own tables must not hide the state's, nor be hidden.
    if schema:
        connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(schema)))
    connection.autocommit = autocommit
    return connection


def lock(connection: Connection, timeout: float = _LOCK_TIMEOUT) -> None:
    """Keeps other migrations out until the session ends. A killed one's session may last a moment longer than it."""
    give_up_at = time.monotonic() + timeout
    while True:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,)).fetchone()
        connection.commit()
        if row and row[0]:
            return
        if time.monotonic() > give_up_at:
            raise Refused(
                "target-in-use", "another migration into this database is running", "Wait until it has ended."
            )
        time.sleep(0.2)


def read_tables(connection: Connection) -> dict[str, TargetTable]:
    """Tables of the current schema, without our own."""
    tables: dict[str, TargetTable] = {}
    rows = connection.execute(
        """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
               pg_get_expr(d.adbin, d.adrelid), array_position(i.indkey::smallint[], a.attnum)
        FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
        ORDER BY c.relname, a.attnum
        """
    ).fetchall()
    places: dict[str, dict[int, str]] = {}
    for name, column, type_, nullable, default, place in rows:
        if name.startswith(PREFIX):
            continue
        table = tables.setdefault(name, TargetTable(name, {}, []))
        table.columns[column] = Column(column, type_, nullable, default)
        if place is not None:
            places.setdefault(name, {})[place] = column
    for name, columns in places.items():
        tables[name].key = [columns[place] for place in sorted(columns)]
    return tables
