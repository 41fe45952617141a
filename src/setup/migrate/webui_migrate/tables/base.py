"""The copy that an earlier pass has read, beside the source as it is now: SQLite finds the rows that differ."""

import os
import sqlite3
from array import array
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from .sqlite import SourceTable, connect, identity, quote, read_schema, uri_of

#: Rows of a table that may differ: beyond that, reading all of it takes as long, and less memory.
_MOST = 200_000


@dataclass
class Differences:
    #: Rowids of rows that the source has otherwise or in addition, and of rows that the copy has so.
    now: "array[int]"
    before: "array[int]"


@dataclass
class Base:
    connection: sqlite3.Connection
    identity: str
    _source: sqlite3.Connection
    _tables: dict[str, SourceTable]

    def differences(self, table: SourceTable) -> Differences | None:
        """None: the two cannot be compared so, or too much differs."""
        if not table.has_rowid or self._tables.get(table.name) != table:
            return None
        name = quote(table.name)
        alike = " AND ".join(_same(column.name, column.declared) for column in table.columns)
        now = array("q")
        before = array("q")
        rows = self._source.execute(
            f"""SELECT n._rowid_, o._rowid_ FROM main.{name} n LEFT JOIN base.{name} o ON o._rowid_ = n._rowid_
            WHERE o._rowid_ IS NULL OR NOT ({alike})"""
        )
        gone = self._source.execute(
            f"""SELECT NULL, o._rowid_ FROM base.{name} o
            WHERE NOT EXISTS (SELECT 1 FROM main.{name} n WHERE n._rowid_ = o._rowid_)"""
        )
        for found in (rows, gone):
            for new, old in found:
                if new is not None:
                    now.append(new)
                if old is not None:
                    before.append(old)
                if len(now) + len(before) > _MOST:
                    return None
        return Differences(now, before)


@contextmanager
def open_base(source: sqlite3.Connection, path: str | None) -> Iterator[Base | None]:
    """``source`` is in no transaction yet. None: there is no such copy."""
    if path is None or not os.path.exists(path):
        yield None
        return
    with closing(connect(path)) as connection:
        source.execute("ATTACH ? AS base", (uri_of(path),))
        tables = {table.name: table for table in read_schema(connection).tables}
        yield Base(connection, identity(path), source, tables)


def _same(name: str, declared: str) -> str:
    column = quote(name)
    # A collation of the column's own may take different texts for one.
    same = f"n.{column} IS o.{column} COLLATE BINARY"
    # Where SQLite keeps numbers as they were given, 1 and 1.0 are different, and equal.
    keeps_type = declared == "" or "BLOB" in declared.upper()
    return f"{same} AND typeof(n.{column}) = typeof(o.{column})" if keeps_type else same
