"""Finds what has changed in a table of the source since its rows were copied, by their prints in the state."""

import sqlite3
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from psycopg import sql

from . import state
from .base import Base
from .carried import Carried, key_values, row_print
from .postgres import PREFIX, Connection
from .sqlite import quote, read_at, read_rows
from .state import TableState


@dataclass
class Changes:
    #: Rowids of rows that are new, changed, or were kept aside.
    rowids: "array[int]"
    #: Prints of rows that are in the target and no longer in the source: gone, or changed.
    stale: "array[int]"
    #: Prints with findings that are no longer in the source.
    stale_findings: list[int]


def find(
    source: sqlite3.Connection, target: Connection, table: Carried, known: TableState, tick: Callable[[], None]
) -> Changes:
    """Reads every row of the source. Takes 9 bytes of memory for each."""
    prints = state.prints(target, known.id)
    is_seen = bytearray(len(prints))
    found_before = state.finding_prints(target, table.name)
    found_again: set[int] = set()
    rowids = array("q")
    for rowid, values in read_rows(source, table.source, table.read_columns):
        print_, _ = row_print(values)
        place = bisect_left(prints, print_)
        if place < len(prints) and prints[place] == print_:
            # Rows that are alike have their prints beside each other.
            while is_seen[place] and place + 1 < len(prints) and prints[place + 1] == print_:
                place += 1
            is_seen[place] = 1
        else:
            rowids.append(rowid)
        if print_ in found_before:
            found_again.add(print_)
        tick()
    stale = array("q", (prints[place] for place, seen in enumerate(is_seen) if not seen))
    return Changes(rowids, stale, sorted(found_before - found_again))


def find_since(source: sqlite3.Connection, base: Base, target: Connection, table: Carried) -> Changes | None:
    """The same, where the rows of ``base`` are those that were carried. None: what differs there does not say it."""
    again = state.to_try_again(target, table.name)
    retried = rowids_of(source, table, [key for key, _, _ in again])
    differing = base.differences(table.source)
    if retried is None or differing is None:
        return None
    before = Counter(_prints_at(base.connection, table, differing.before))
    rowids = array("q")
    for rowid, print_ in zip(differing.now, _prints_at(source, table, differing.now), strict=True):
        if before[print_] > 0:
            # The same row with another rowid.
            before[print_] -= 1
        else:
            rowids.append(rowid)
    stale = array("q", before.elements())
    if not before.keys().isdisjoint(print_ for _, print_, _ in again):
        # Of rows that are alike, one may be there and the other aside.
        return None
    seen = set(rowids)
    rowids.extend(rowid for rowid in retried if rowid not in seen)
    stale_findings = sorted(state.finding_prints(target, table.name).intersection(stale))
    if any(emptied for _, _, emptied in again):
        # The state has no print of such a row.
        stale.append(0)
    return Changes(rowids, stale, stale_findings)


def _prints_at(connection: sqlite3.Connection, table: Carried, rowids: Sequence[int]) -> Iterable[int]:
    for _, values in read_at(connection, table.source, table.read_columns, rowids):
        yield row_print(values)[0]


def rowids_of(source: sqlite3.Connection, table: Carried, keys: Sequence[str | None]) -> list[int] | None:
    """Where the rows with these keys are in the source. None: not each is one row that an index finds."""
    key = table.target.key
    if keys and sorted(table.source.key) != sorted(key):
        return None
    where = " AND ".join(f"{quote(name)} = ?" for name in key)
    query = f"SELECT _rowid_ FROM {quote(table.name)} WHERE {where}"
    rowids: list[int] = []
    for text in keys:
        found = source.execute(query, key_values(text, len(key))).fetchall() if text is not None else []
        if len(found) != 1:
            return None
        rowids.append(found[0][0])
    return rowids


def forget(target: Connection, table: Carried, known: TableState, changes: Changes) -> set[int]:
    """Takes the stale rows out of the target and of the state; returns the hashes of their keys."""
    state.forget_findings(target, table.name, changes.stale_findings)
    if not changes.stale:
        return set()
    _fill(target, "stale", "print bigint", ((print_,) for print_ in changes.stale))
    key = table.target.key
    gone = target.execute(
        f"DELETE FROM {PREFIX}rows r USING stale s WHERE r.tbl = %s AND r.print = s.print RETURNING r.key",
        (known.id,),
    )
    types = ", ".join(f"k{place} {table.target.columns[name].type}" for place, name in enumerate(key))
    keys = [text for (text,) in gone]
    _fill(target, "gone", types, (key_values(text, len(key)) for text in keys))
    target.execute(
        sql.SQL("DELETE FROM {} t USING gone WHERE {}").format(
            sql.Identifier(table.name),
            sql.SQL(" AND ").join(
                sql.SQL("t.{} = gone.{}").format(sql.Identifier(name), sql.Identifier(f"k{place}"))
                for place, name in enumerate(key)
            ),
        )
    )
    target.execute("DROP TABLE stale, gone")
    return set(map(hash, keys))


def _fill(target: Connection, name: str, columns: str, rows: Iterable[Sequence[object]]) -> None:
    """A table of this session, which the statement after it uses."""
    target.execute(f"CREATE TEMPORARY TABLE {name} ({columns}) ON COMMIT DROP")
    with target.cursor().copy(f"COPY {name} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    target.execute(f"ANALYZE {name}")
