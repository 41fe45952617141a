"""``look``: reads everything, changes nothing, and says what is there and what would be mended."""

import os
import sqlite3
from collections import Counter
from contextlib import closing

from ..answers import Answers
from ..messages import Finding, LookRequest, LookResult, TableSize
from ..meter import Meter
from . import open_webui
from .carried import key_text
from .columns import Column, type_for
from .fit import Mend
from .mend import Aside, Mender
from .report import TOLD
from .sqlite import Schema, connect, count, quote, read_rows, read_schema, reading

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
        connection.execute("BEGIN")
        revision, installed, version = open_webui.version_of(connection)
        schema = read_schema(connection)
        corrupt = _check(connection)
        sizes = _sizes(connection)
        tables: list[TableSize] = [
            {"name": table.name, "rows": count(connection, table), "bytes": sizes.get(table.name, 0)}
            for table in schema.tables
        ]
        rows = sum(table["rows"] for table in tables)
        # What is broken is not read further.
        problems = _Problems(answers)
        if not corrupt:
            _look_at_values(connection, schema, problems, Meter(answers, "look", rows))
            _look_at_orphans(connection, schema, problems)
        (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
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


def _check(connection: sqlite3.Connection) -> list[str]:
    try:
        said = [str(text) for (text,) in connection.execute(f"PRAGMA integrity_check({_COMPLAINTS})")]
    except sqlite3.DatabaseError as error:
        return [str(error)]
    # NULL where it may not be is mended, row by row: the file is whole.
    return [text for text in said if text != "ok" and not text.startswith("NULL value in")]


def _sizes(connection: sqlite3.Connection) -> dict[str, int]:
    try:
        return dict(connection.execute("SELECT name, pgsize FROM dbstat WHERE aggregate = TRUE"))
    except sqlite3.OperationalError:
        return {}


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
        for _, (*values, is_valid) in read_rows(connection, table, names, computed=[valid or "1"]):
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


def _look_at_orphans(connection: sqlite3.Connection, schema: Schema, problems: _Problems) -> None:
    for table in schema.tables:
        try:
            found = connection.execute(f"PRAGMA foreign_key_check({quote(table.name)})").fetchall()
        except sqlite3.OperationalError as error:
            message = f"orphans are looked for in the target only: {error}"
            problems.add(_finding(table.name, None, Mend("", "orphan", message, "left", None)))
            continue
        for _, rowid, parent, _ in found:
            key = None
            if table.key and rowid is not None:
                listed = ", ".join(map(quote, table.key))
                query = f"SELECT {listed} FROM {quote(table.name)} WHERE _rowid_ = ?"
                key = key_text(connection.execute(query, (rowid,)).fetchone())
            message = f"an orphan: its row of {parent} is not there"
            problems.add(_finding(table.name, key, Mend("", "orphan", message, "aside", None)))
