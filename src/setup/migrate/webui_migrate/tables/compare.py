"""Compares the rows of a table on both sides without keeping them: by sums of their hashes."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from psycopg import sql

from . import sqlite
from .canonical import canonical
from .carried import Carried, row_print
from .postgres import PREFIX, Connection

#: Rows whose sums differ are looked for in the parts that differ alone.
_PARTS = 1024
#: Rows of such parts that are kept in memory at most.
_MOST_KEPT = 200_000
#: Stands for a value that has a finding, on both sides.
_MENDED = "\udffe"

#: A row's key, and its text.
Keyed = tuple[str | None, str]


@dataclass
class Scope:
    """What the findings say about a table's rows."""

    #: Prints of rows that are not in the target, and how many have each.
    aside: Counter[int] = field(default_factory=Counter)
    #: Columns that were mended: of the source's rows by their print, of the target's by their key.
    by_print: dict[int, set[str]] = field(default_factory=dict)
    by_key: dict[str, set[str]] = field(default_factory=dict)


@dataclass
class Sums:
    rows: int = 0
    parts: list[int] = field(default_factory=lambda: [0] * _PARTS)
    counts: list[int] = field(default_factory=lambda: [0] * _PARTS)

    def differing_parts(self, other: "Sums") -> set[int]:
        found = [
            part
            for part in range(_PARTS)
            if (self.parts[part], self.counts[part]) != (other.parts[part], other.counts[part])
        ]
        kept: set[int] = set()
        size = 0
        for part in found:
            size += self.counts[part] + other.counts[part]
            if kept and size > _MOST_KEPT:
                break
            kept.add(part)
        return kept


def read_scope(target: Connection, table: str) -> Scope:
    scope = Scope()
    rows = target.execute(
        f"SELECT print, key, col, action FROM {PREFIX}findings WHERE name = %s AND print IS NOT NULL",
        (table,),
    )
    for print_, key, column, action in rows:
        if action == "aside" and column is None:
            scope.aside[print_] += 1
        elif action in ("changed", "emptied"):
            scope.by_print.setdefault(print_, set()).add(column)
            if key is not None:
                scope.by_key.setdefault(key, set()).add(column)
    return scope


def source_rows(
    connection: sqlite3.Connection, table: Carried, scope: Scope, rowids: Sequence[int] | None = None
) -> Iterator[Keyed]:
    """Rows of the source that have to be in the target. ``rowids``: only these."""
    width = len(table.columns)
    text_of = canonical(table.columns)
    masked = _masked(table, text_of)
    aside = Counter(scope.aside)
    has_findings = bool(aside or scope.by_print)
    rows = (
        sqlite.read_rows(connection, table.source, table.read_columns)
        if rowids is None
        else sqlite.read_at(connection, table.source, table.read_columns, rowids)
    )
    for _, row in rows:
        values = row[:width]
        if has_findings:
            print_, _ = row_print(row)
            if aside[print_] > 0:
                aside[print_] -= 1
                continue
            if print_ in scope.by_print:
                if table.key_places:
                    yield table.key_of(values), masked(values, scope.by_print[print_])
                else:
                    # Nothing says which of the target's rows it is: it has to be there as it was mended.
                    yield None, text_of(table.mender.mend(values).values)
                continue
        yield table.key_of(values), text_of(values)


def target_rows(target: Connection, table: Carried, scope: Scope, since: str | None = None) -> Iterator[Keyed]:
    """``since``: only rows that were written after this transaction."""
    text_of = canonical(table.columns)
    masked = _masked(table, text_of)
    query = sql.SQL("COPY (SELECT {} FROM {}{}) TO STDOUT").format(
        sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns),
        sql.Identifier(table.name),
        # age() is the distance to the present, so it is right beyond 2³² transactions too.
        sql.SQL("" if since is None else " WHERE age(xmin) < age({}::xid8::xid)").format(sql.Literal(since)),
    )
    with target.cursor().copy(query) as copy:
        for row in copy.rows():
            key = table.key_of(row)
            columns = scope.by_key.get(key) if key is not None else None
            yield key, masked(row, columns) if columns else text_of(row)


def _masked(table: Carried, text_of: Callable[[Sequence[Any]], str]) -> Callable[[Sequence[Any], set[str]], str]:
    names = [column.name for column in table.columns]

    def of_row(row: Sequence[Any], columns: set[str]) -> str:
        # A mended value may have no form of its column's kind: it is out before the others get theirs.
        text = text_of([None if name in columns else value for name, value in zip(names, row, strict=True)])
        return f"{text}{_MENDED}{','.join(sorted(columns))}"

    return of_row


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest(), "little")


def sum_up(rows: Iterable[Keyed], tick: Callable[[], None]) -> Sums:
    sums = Sums()
    parts, counts = sums.parts, sums.counts
    number = 0
    for _, text in rows:
        hashed = _hash(text)
        part = hashed % _PARTS
        parts[part] += hashed
        counts[part] += 1
        number += 1
        tick()
    sums.rows = number
    return sums


def differing_keys(ours: Iterable[Keyed], theirs: Iterable[Keyed], parts: set[int]) -> list[str]:
    """Keys of the rows that only one side has, or has otherwise."""

    def within(rows: Iterable[Keyed]) -> Counter[tuple[str | None, int]]:
        hashed = ((key, _hash(text)) for key, text in rows)
        return Counter((key, number) for key, number in hashed if number % _PARTS in parts)

    left, right = within(ours), within(theirs)
    found = {key for key, _ in ((left - right) + (right - left))}
    return sorted("(a row without a key)" if key is None else key for key in found)
