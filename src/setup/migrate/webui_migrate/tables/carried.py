"""Which table of the source goes into which of the target, column by column."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from marshal import dumps
from typing import Any

from psycopg import errors, sql

from . import sqlite, state
from .columns import Column, type_for
from .mend import Mender
from .postgres import Connection, TargetTable, read_tables
from .sqlite import SourceTable

#: Types whose text is the same on both sides, so that a key of them can be compared as text.
_KEY_KINDS = ("text", "integer", "other")
_ONLY_THERE = "only the source has this column: its values are kept in the report"


@dataclass
class Carried:
    source: SourceTable
    target: TargetTable
    #: Columns that both sides have, in the source's order.
    columns: list[Column]
    #: Columns that only the source has: they are read too, after the others, and kept in the report.
    extra: list[str]
    made: bool
    mender: Mender

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def read_columns(self) -> list[str]:
        return [column.name for column in self.columns] + self.extra

    @cached_property
    def key_places(self) -> list[int]:
        """Where the target's key is in a row; empty: it has none that can be compared."""
        names = [column.name for column in self.columns]
        key = self.target.key
        usable = all(name in names and self.target.columns[name].kind in _KEY_KINDS for name in key)
        return [names.index(name) for name in key] if usable else []

    @property
    def is_comparable(self) -> bool:
        """Whether what has changed can be found row by row. Other tables are copied anew."""
        return self.source.has_rowid and bool(self.key_places)

    def key_of(self, values: Sequence[Any]) -> str | None:
        return key_text([values[place] for place in self.key_places])


def key_text(values: Sequence[Any]) -> str | None:
    """A key as text: its value, or a list in JSON. None: there is no key."""
    if len(values) == 1:
        return str(values[0])
    return json.dumps([str(value) for value in values]) if values else None


def key_values(key: str, number: int) -> list[str]:
    return [key] if number == 1 else json.loads(key)


def row_print(row: tuple[Any, ...]) -> tuple[int, int]:
    """64 bits that stand for the row as the source has it, and its size. Another version of Python may differ."""
    # Format 2 has no references, which would depend on which strings are the same object.
    whole = dumps(row, 2)
    return int.from_bytes(blake2b(whole, digest_size=8).digest(), "little", signed=True), len(whole)


def pair(source: sqlite3.Connection, target: Connection, *, make: bool) -> tuple[list[Carried], list[state.Line]]:
    """The tables that are carried, and findings about whole tables. ``make``: makes those only the source has."""
    schema = sqlite.read_schema(source)
    lines = [
        state.Line(left.name, None, None, None, left.kind, f"a {left.kind}, which is left in the source", "left")
        for left in schema.left
    ]
    tables = read_tables(target)
    for table in schema.tables:
        if make and table.name not in tables:
            lines.append(_make_table(source, target, table))
    tables = read_tables(target) if make else tables
    carried = []
    for table in schema.tables:
        into = tables.get(table.name)
        if into is None:
            continue
        columns = [into.columns[column.name] for column in table.columns if column.name in into.columns]
        extra = [column.name for column in table.columns if column.name not in into.columns]
        known = state.table(target, table.name)
        made = known.made if known else any(line.name == table.name and line.action == "made" for line in lines)
        defaults = dict(_defaults(target, into, columns))
        mender = Mender(columns, defaults, made=made)
        carried.append(Carried(table, into, columns, extra, made, mender))
        lines.extend(state.Line(table.name, None, None, name, "column", _ONLY_THERE, "aside") for name in extra)
    return carried, lines


def _defaults(target: Connection, table: TargetTable, columns: list[Column]) -> Iterator[tuple[str, Any]]:
    """The text of what the target puts into a column that is not given, where NULL may not be."""
    for column in columns:
        if column.nullable or column.default is None or "nextval" in column.default:
            continue
        query = sql.SQL("SELECT ({})::{}::text").format(sql.SQL(column.default), sql.SQL(column.type))
        row = target.execute(query).fetchone()
        if row and row[0] is not None:
            yield column.name, row[0]


def _make_table(source: sqlite3.Connection, target: Connection, table: SourceTable) -> state.Line:
    """Makes a table that only the source has, of a plugin: its columns and its primary key."""
    parts = []
    for column in table.columns:
        type_ = type_for(column.declared)
        identity = " GENERATED BY DEFAULT AS IDENTITY" if [column.name] == table.key and type_ == "bigint" else ""
        parts.append(sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(type_ + identity)))
    # SQLite lets NULL into a primary key that is no INTEGER: such a table gets none.
    nulls = " OR ".join(f"{sqlite.quote(name)} IS NULL" for name in table.key)
    has_nulls = bool(nulls) and bool(
        source.execute(f"SELECT EXISTS (SELECT 1 FROM {sqlite.quote(table.name)} WHERE {nulls})").fetchone()[0]
    )
    if table.key and not has_nulls:
        parts.append(sql.SQL("PRIMARY KEY ({})").format(sql.SQL(", ").join(map(sql.Identifier, table.key))))
    target.execute(sql.SQL("CREATE TABLE {} ({})").format(sql.Identifier(table.name), sql.SQL(", ").join(parts)))
    indexes = source.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = ?", (table.name,)
    ).fetchall()
    named = f"; its indexes are not made: {', '.join(name for (name,) in indexes)}" if indexes else ""
    message = f"only the source has this table: it was made with the same columns and key{named}"
    return state.Line(table.name, None, None, None, "table", message, "made")


def widen(target: Connection, table: Carried, name: str, type_: str) -> state.Line:
    """Gives a column of the target a type that its values fit into."""
    column = table.target.columns[name]
    before = column.type
    query = sql.SQL("ALTER TABLE {} ALTER COLUMN {} TYPE {}").format(
        sql.Identifier(table.name), sql.Identifier(name), sql.SQL(type_)
    )
    try:
        with target.transaction():
            target.execute(query)
    except errors.DatatypeMismatch:
        # A default of the old type stands in the way.
        target.execute(
            sql.SQL("ALTER TABLE {} ALTER COLUMN {} DROP IDENTITY IF EXISTS, ALTER COLUMN {} DROP DEFAULT").format(
                *map(sql.Identifier, (table.name, name, name))
            )
        )
        target.execute(query)
    column.type = type_
    message = f"values do not fit into {before}: the column is {type_} now"
    return state.Line(table.name, None, None, name, "number" if type_ == "bigint" else "text", message, "widened")
