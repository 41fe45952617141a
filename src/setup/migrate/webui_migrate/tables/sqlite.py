"""Reads the source: a SQLite file that is never changed."""

import os
import sqlite3
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..answers import Refused

#: Seconds to wait for a server that is writing.
BUSY_TIMEOUT = 30.0
#: Seconds between two looks for a moment in which nobody writes. SQLite's own wait grows to 0.1 s, and hardly ever
#: meets the moment between two writes of a busy server on a slow disk.
BUSY_PAUSE = 0.0005
#: Tables of SQLite and of the migrations themselves: the target has its own.
_BOOKKEEPING = ("alembic_version",)


@dataclass
class SourceColumn:
    name: str
    declared: str


@dataclass
class SourceTable:
    name: str
    columns: list[SourceColumn]
    #: Names of the primary key's columns.
    key: list[str]
    #: Rows without a rowid are read in one go, and are not resumed in the middle.
    has_rowid: bool


@dataclass
class Left:
    """What is in the schema, but is no table with rows of its own."""

    name: str
    kind: str


@dataclass
class Schema:
    tables: list[SourceTable] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def uri_of(path: str) -> str:
    """Opens the file to be read only."""
    return f"{Path(path).absolute().as_uri()}?mode=ro"


def connect(path: str) -> sqlite3.Connection:
    """Opens the file read-only, and refuses one that is missing, no SQLite, or cannot be read so."""
    file = Path(path)
    if not file.is_file():
        raise Refused("source-missing", f"{path} is not there", "Name the installation's folder or webui.db.")
    with file.open("rb") as start:
        if start.read(16) != b"SQLite format 3\0":
            raise Refused(
                "source-not-sqlite",
                f"{path} is no SQLite database, or it is encrypted",
                "Name the webui.db of an installation that uses SQLite. Decrypt a database of SQLCipher first.",
            )
    connection = sqlite3.connect(uri_of(path), uri=True, timeout=BUSY_TIMEOUT, isolation_level=None)
    try:
        with reading(path), one_state(connection):
            pass
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def one_state(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is read meanwhile is of one moment. Without a write-ahead log, nobody can write until it ends."""
    deadline = time.monotonic() + BUSY_TIMEOUT
    connection.execute("PRAGMA busy_timeout = 0")
    while True:
        connection.execute("BEGIN")
        try:
            # BEGIN locks nothing: the first read does.
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            break
        except sqlite3.OperationalError as error:
            connection.execute("ROLLBACK")
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(BUSY_PAUSE)
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT * 1000:.0f}")
    try:
        yield
    finally:
        connection.execute("COMMIT")


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Says what SQLite's errors mean for the source."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        text = str(error)
        if "locked" in text or "busy" in text:
            raise Refused(
                "source-busy", f"{path}: {text}: another program is writing it", "Stop that program, or try again."
            ) from error
        if "malformed" in text or "not a database" in text or "disk I/O" in text:
            raise Refused(
                "source-corrupt",
                f"{path}: {text}",
                "Stop the server, and save what can be read: sqlite3 webui.db .recover | sqlite3 recovered.db",
                "Then migrate from recovered.db, or from a backup.",
            ) from error
        if "unable to open" in text or "readonly" in text:
            raise Refused(
                "source-unfinished",
                f"{path}: {text}: SQLite has to finish a write first (webui.db-wal, -journal), and may not here",
                "Migrate a copy: copy webui.db, and what is beside it with its name, into a folder of yours.",
            ) from error
        raise


def read_schema(connection: sqlite3.Connection) -> Schema:
    schema = Schema()
    listed = {row[1]: row for row in connection.execute("PRAGMA main.table_list")}
    rows = connection.execute("SELECT type, name FROM sqlite_schema ORDER BY rowid").fetchall()
    for kind, name in rows:
        if name.startswith("sqlite_") or name in _BOOKKEEPING or kind == "index":
            continue
        _, _, listed_kind, _, without_rowid, *_ = listed.get(name, (None, None, kind, 0, 0))
        if kind != "table" or listed_kind != "table":
            # A shadow table holds the rows of a virtual table, in the form of the module that made it.
            schema.left.append(Left(name, "trigger" if kind == "trigger" else listed_kind))
            continue
        info = connection.execute(f"PRAGMA main.table_xinfo({quote(name)})").fetchall()
        # hidden: 1 of a virtual table; 2 and 3 are generated columns.
        columns = [SourceColumn(row[1], row[2]) for row in info if row[6] != 1]
        key = [row[1] for row in sorted((row for row in info if row[5]), key=lambda row: row[5])]
        schema.tables.append(SourceTable(name, columns, key, not without_rowid))
    return schema


def count(connection: sqlite3.Connection, table: SourceTable) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {quote(table.name)}").fetchone()[0])


def _tolerant(text: bytes) -> str:
    """Bytes that are no UTF-8 become lone surrogates, from which they can be had back."""
    return text.decode("utf-8", "surrogateescape")


def read_rows(
    connection: sqlite3.Connection,
    table: SourceTable,
    columns: Sequence[str],
    after: int | None = None,
    computed: Sequence[str] = (),
) -> Generator[tuple[int, tuple[Any, ...]], None, None]:
    """The rows as (rowid, values), by their rowid, after that one. Without rowid, it is their number.

    ``computed``: SQL, whose values come after those of the columns.
    """
    listed = ", ".join([*map(quote, columns), *computed])
    if not table.has_rowid:
        connection.text_factory = _tolerant
        try:
            yield from enumerate(connection.execute(f"SELECT {listed} FROM {quote(table.name)}"))
        finally:
            connection.text_factory = str
        return
    query = f"SELECT {listed}, _rowid_ FROM {quote(table.name)}"
    last = after
    while True:
        where, given = ("", ()) if last is None else (" WHERE _rowid_ > ?", (last,))
        try:
            for row in connection.execute(f"{query}{where} ORDER BY _rowid_", given):
                last = row[-1]
                yield last, row[:-1]
            return
        except sqlite3.OperationalError as error:
            if "Could not decode" not in str(error):
                raise
        where, given = ("", ()) if last is None else (" WHERE _rowid_ > ?", (last,))
        row = _fetch_tolerantly(connection, f"{query}{where} ORDER BY _rowid_ LIMIT 1", given)
        last = row[-1]
        yield last, row[:-1]


def read_at(
    connection: sqlite3.Connection, table: SourceTable, columns: Sequence[str], rowids: Sequence[int]
) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """The rows with these rowids."""
    listed = ", ".join(quote(name) for name in columns)
    query = f"SELECT {listed} FROM {quote(table.name)} WHERE _rowid_ = ?"
    for rowid in rowids:
        try:
            yield rowid, connection.execute(query, (rowid,)).fetchone()
        except sqlite3.OperationalError as error:
            if "Could not decode" not in str(error):
                raise
            yield rowid, _fetch_tolerantly(connection, query, (rowid,))


def _fetch_tolerantly(connection: sqlite3.Connection, query: str, given: tuple[int, ...]) -> tuple[Any, ...]:
    connection.text_factory = _tolerant
    try:
        row: tuple[Any, ...] = connection.execute(query, given).fetchone()
        return row
    finally:
        connection.text_factory = str


def identity(path: str) -> str:
    """The same as long as nobody has written the file or its write-ahead log."""
    parts = []
    for name in (path, f"{path}-wal"):
        try:
            stat = os.stat(name)
        except FileNotFoundError:
            continue
        # A log without frames may be made and removed by readers.
        if name == path or stat.st_size > 0:
            parts.append(f"{stat.st_ino}.{stat.st_size}.{stat.st_mtime_ns}")
    return " ".join(parts)
