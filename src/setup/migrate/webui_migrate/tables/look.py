"""``look``: reads everything, changes nothing, and says what is there and what would be mended.

Without a write-ahead log, nobody can write while somebody reads, and the old server gives up after five seconds: so
rows are read for a moment at a time, and what SQLite itself looks for in one go is looked for without a lock.
"""

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any, TypeVar

from ..answers import Answers
from ..messages import Finding, LookRequest, LookResult, TableSize
from ..meter import Meter
from . import open_webui
from .carried import key_text
from .columns import Column, type_for
from .fit import Mend
from .mend import Aside, Mender
from .report import TOLD
from .sqlite import (
    BUSY_TIMEOUT,
    Schema,
    SourceTable,
    connect,
    count,
    identity,
    one_state,
    quote,
    read_rows,
    read_schema,
    reading,
    uri_of,
)

Found = TypeVar("Found")

#: Seconds for which a writer may have to wait.
_AT_A_TIME = 0.25
#: How often something is looked for without a lock while others write.
_LOOKS = 3
#: Complaints of SQLite about a broken file that are passed on.
_COMPLAINTS = 20
#: Of two cores: between what a million messages (1,286 MiB) took at a load of 11 and what idle cores would take.
_BYTES_A_SECOND = 40e6
_ROWS_A_SECOND = 15_000
_OUTAGE_BYTES_A_SECOND = 400e6
_OUTAGE_ROWS_A_SECOND = 300_000
#: Starts of Python and Open WebUI's migrations of an empty database.
_FIXED_SECONDS = 15.0
_FIXED_OUTAGE_SECONDS = 2.0
#: A copy of an older version's file, and Open WebUI's migrations, which write most tables anew.
_FIXED_UPGRADE_SECONDS = 10.0
_UPGRADED_BYTES_A_SECOND = 40e6


def run(request: LookRequest, answers: Answers) -> LookResult:
    path = request["source"]
    with closing(connect(path)) as connection, reading(path):
        with one_state(connection):
            revision, installed, version = open_webui.version_of(connection)
            schema = read_schema(connection)
            (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
        whole = _Whole(path, is_locked=journal == "wal")
        corrupt = whole.complaints()
        sizes = whole.sizes()
        tables: list[TableSize] = [
            {"name": table.name, "rows": _count(connection, table), "bytes": sizes.get(table.name, 0)}
            for table in schema.tables
        ]
        rows = sum(table["rows"] for table in tables)
        # What is broken is not read further.
        problems = _Problems(answers)
        if not corrupt:
            _look_at_values(connection, schema, problems, Meter(answers, "look", rows))
            _look_at_orphans(connection, schema, problems, whole)
    size = os.path.getsize(path)
    return {
        "revision": revision,
        "installed_revision": installed,
        "version": version,
        "tables": tables,
        "bytes": size,
        "journal": journal,
        "wal_bytes": os.path.getsize(f"{path}-wal") if os.path.exists(f"{path}-wal") else 0,
        "corrupt": corrupt,
        "problems": problems.counts(),
        "seconds": _FIXED_SECONDS + size / _BYTES_A_SECOND + rows / _ROWS_A_SECOND,
        "outage_seconds": _FIXED_OUTAGE_SECONDS + size / _OUTAGE_BYTES_A_SECOND + rows / _OUTAGE_ROWS_A_SECOND,
        "upgrade_seconds": _FIXED_UPGRADE_SECONDS + size / _UPGRADED_BYTES_A_SECOND,
    }


class _Whole:
    """What SQLite looks for in all of a file or of a table."""

    def __init__(self, path: str, *, is_locked: bool) -> None:
        self._path = path
        self._uri = uri_of(path) + ("" if is_locked else "&immutable=1")
        self._is_locked = is_locked

    def complaints(self) -> list[str]:
        """About a broken file."""
        found, is_sure = self._find(self._complaints)
        # A complaint may be about what somebody was writing.
        return found if is_sure else []

    def _complaints(self) -> list[str]:
        try:
            said = [str(text) for (text,) in self._run(f"PRAGMA integrity_check({_COMPLAINTS})")]
        except sqlite3.DatabaseError as error:
            return [str(error)]
        # NULL where it may not be is mended, row by row: the file is whole.
        return [text for text in said if text != "ok" and not text.startswith("NULL value in")]

    def sizes(self) -> dict[str, int]:
        try:
            return dict(self._run("SELECT name, pgsize FROM dbstat WHERE aggregate = TRUE"))
        except sqlite3.DatabaseError:
            return {}

    def orphans(self, table: SourceTable) -> list[tuple[Any, ...]]:
        return self._find(lambda: self._run(f"PRAGMA foreign_key_check({quote(table.name)})"))[0]

    def _find(self, look: Callable[[], list[Found]]) -> tuple[list[Found], bool]:
        """What is found each time, until nobody has written meanwhile; and whether that was so.

        :raises sqlite3.DatabaseError: No look succeeded.
        """
        found: list[Found] | None = None
        failure: sqlite3.DatabaseError | None = None
        for _ in range(_LOOKS):
            before = identity(self._path)
            try:
                now = look()
            except sqlite3.DatabaseError as error:
                # What somebody has written by half cannot be read, and says nothing of the file.
                failure = error
                continue
            found = now if found is None else [one for one in found if one in set(now)]
            if self._is_locked or not found or identity(self._path) == before:
                return found, True
        if found is None and failure is not None:
            raise failure
        return found or [], False

    def _run(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._uri, uri=True, timeout=BUSY_TIMEOUT)) as connection:
            return connection.execute(query).fetchall()


def _count(connection: sqlite3.Connection, table: SourceTable) -> int:
    with one_state(connection):
        return count(connection, table)


def _rows(
    connection: sqlite3.Connection, table: SourceTable, columns: Sequence[str], valid: str
) -> Iterator[tuple[Any, ...]]:
    """All of them; whoever wants to write may do so in between."""
    last: int | None = None
    while True:
        ends = time.monotonic() + _AT_A_TIME
        with one_state(connection), closing(read_rows(connection, table, columns, last, [valid])) as rows:
            for rowid, row in rows:
                last = rowid
                yield row
                if table.has_rowid and time.monotonic() > ends:
                    break
            else:
                return


class _Problems:
    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._counts: Counter[str] = Counter()

    def add(self, finding: Finding) -> None:
        name = f"{finding['table']}.{finding['column'] or '*'} {finding['problem']}"
        self._counts[name] += 1
        if self._counts[name] <= TOLD:
            self._answers.finding(finding)

    def counts(self) -> dict[str, int]:
        return dict(self._counts)


def _look_at_values(connection: sqlite3.Connection, schema: Schema, problems: _Problems, meter: Meter) -> None:
    """By the types that the source declares: which ones the target has is known once it is there."""
    for left in schema.left:
        message = f"a {left.kind}, which is left in the source"
        problems.add(_finding(left.name, None, Mend("", left.kind, message, "left", None)))
    for table in schema.tables:
        meter.table = table.name
        names = [column.name for column in table.columns]
        columns = [Column(column.name, type_for(column.declared), nullable=True) for column in table.columns]
        mender = Mender(columns, {})
        places = [names.index(name) for name in table.key]
        of_json = [quote(column.name) for column in columns if column.kind == "json"]
        # Older SQLites say of NULL that it is no JSON.
        valid = " AND ".join(f"({name} IS NULL OR json_valid({name}))" for name in of_json)
        for *values, is_valid in _rows(connection, table, names, valid or "1"):
            meter.add()
            row = tuple(values)
            if is_valid and mender.is_plain(row):
                continue
            try:
                mends = mender.mend(row).mends
            except Aside as aside:
                mends = [Mend(aside.column or "", aside.problem, str(aside), "aside", None)]
            for mend in mends:
                problems.add(_finding(table.name, key_text([row[place] for place in places]), mend))


def _finding(table: str, key: str | None, mend: Mend) -> Finding:
    return {
        "table": table,
        "key": key,
        "column": mend.column or None,
        "problem": mend.problem,
        "message": mend.message,
        "action": mend.action,
    }


def _look_at_orphans(connection: sqlite3.Connection, schema: Schema, problems: _Problems, whole: _Whole) -> None:
    for table in schema.tables:
        try:
            found = whole.orphans(table)
        except sqlite3.DatabaseError as error:
            message = f"orphans are looked for in the target only: {error}"
            problems.add(_finding(table.name, None, Mend("", "orphan", message, "left", None)))
            continue
        for _, rowid, parent, _ in found:
            key = None
            if table.key and rowid is not None:
                listed = ", ".join(map(quote, table.key))
                query = f"SELECT {listed} FROM {quote(table.name)} WHERE _rowid_ = ?"
                with one_state(connection):
                    row = connection.execute(query, (rowid,)).fetchone()
                key = row and key_text(row)
            message = f"an orphan: its row of {parent} is not there"
            problems.add(_finding(table.name, key, Mend("", "orphan", message, "aside", None)))
