"""What the migration has done, kept in the target: one transaction writes rows and that they are written.

Its tables lie beside Open WebUI's, whose migrations look at neither. They hold no key and no setting.
"""

import json
import sys
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from .postgres import PREFIX, Connection

_TABLES = f"""
CREATE TABLE IF NOT EXISTS {PREFIX}facts (name text PRIMARY KEY, value text NOT NULL);
CREATE TABLE IF NOT EXISTS {PREFIX}tables (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE,
  run text NOT NULL,
  position bigint,
  done boolean NOT NULL,
  made boolean NOT NULL,
  checked xid8,
  rows bigint NOT NULL DEFAULT 0,
  inserted bigint NOT NULL DEFAULT 0,
  updated bigint NOT NULL DEFAULT 0,
  deleted bigint NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS {PREFIX}rows (tbl integer NOT NULL, print bigint NOT NULL, key text);
CREATE TABLE IF NOT EXISTS {PREFIX}changed (tbl integer NOT NULL, rowid bigint NOT NULL);
CREATE TABLE IF NOT EXISTS {PREFIX}findings (
  name text NOT NULL, print bigint, key text, col text, problem text NOT NULL, message text NOT NULL,
  action text NOT NULL, original text NOT NULL
);
CREATE TABLE IF NOT EXISTS {PREFIX}foreign_keys (
  name text NOT NULL, tbl text NOT NULL, definition text NOT NULL,
  columns text[] NOT NULL, parent text NOT NULL, parent_columns text[] NOT NULL
);
"""


@dataclass
class TableState:
    id: int
    name: str
    #: Identity of the source that the table was last copied from, and whether all of it was.
    run: str
    done: bool
    #: Rowid of the last row that was copied, while rows are copied for the first time.
    position: int | None
    #: Whether the migration made the table.
    made: bool
    #: Transaction in which all of it was equal on both sides. Since then only the rows in ``changed`` were written.
    checked: str | None = None


@dataclass
class Line:
    """A finding, as it is kept."""

    name: str
    print: int | None
    key: str | None
    column: str | None
    problem: str
    message: str
    action: str
    original: object = None


def make(connection: Connection) -> None:
    connection.execute(_TABLES)


def exists(connection: Connection) -> bool:
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (f"{PREFIX}facts",)).fetchone()
    return bool(row and row[0])


def fact(connection: Connection, name: str) -> str | None:
    row = connection.execute(f"SELECT value FROM {PREFIX}facts WHERE name = %s", (name,)).fetchone()
    return str(row[0]) if row else None


def set_fact(connection: Connection, name: str, value: str) -> None:
    connection.execute(
        f"INSERT INTO {PREFIX}facts VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )


def forget_fact(connection: Connection, name: str) -> None:
    connection.execute(f"DELETE FROM {PREFIX}facts WHERE name = %s", (name,))


def table(connection: Connection, name: str) -> TableState | None:
    row = connection.execute(
        f"SELECT id, name, run, done, position, made, checked::text FROM {PREFIX}tables WHERE name = %s", (name,)
    ).fetchone()
    return TableState(*row) if row else None


def add_table(connection: Connection, name: str, run: str, *, made: bool) -> TableState:
    connection.execute(
        f"INSERT INTO {PREFIX}tables (name, run, done, made) VALUES (%s, %s, false, %s)", (name, run, made)
    )
    added = table(connection, name)
    assert added is not None
    return added


def update_table(connection: Connection, state: TableState, **added: int) -> None:
    """Writes what changed, and adds to the counters."""
    counters = "".join(f", {name} = {name} + {int(number)}" for name, number in added.items())
    connection.execute(
        f"UPDATE {PREFIX}tables SET run = %s, done = %s, position = %s, checked = %s::xid8{counters} WHERE id = %s",
        (state.run, state.done, state.position, state.checked, state.id),
    )


def add_rows(connection: Connection, table_id: int, rows: Iterable[tuple[int, str | None]]) -> None:
    with connection.cursor().copy(f"COPY {PREFIX}rows (tbl, print, key) FROM STDIN") as copy:
        for print_, key in rows:
            copy.write_row((table_id, print_, key))


def set_changed(connection: Connection, table_id: int, rowids: Iterable[int]) -> None:
    """Of the source: rows that were written since the table was checked."""
    connection.execute(f"DELETE FROM {PREFIX}changed WHERE tbl = %s", (table_id,))
    with connection.cursor().copy(f"COPY {PREFIX}changed (tbl, rowid) FROM STDIN") as copy:
        for rowid in rowids:
            copy.write_row((table_id, rowid))


def changed(connection: Connection, table_id: int) -> list[int]:
    query = f"SELECT rowid FROM {PREFIX}changed WHERE tbl = %s ORDER BY rowid"
    return [rowid for (rowid,) in connection.execute(query, (table_id,))]


def prints(connection: Connection, table_id: int) -> "array[int]":
    """The prints of a table's rows, sorted: 8 bytes for each."""
    query = f"SELECT string_agg(int8send(print), '' ORDER BY print) FROM {PREFIX}rows WHERE tbl = %s"
    row = connection.cursor(binary=True).execute(query, (table_id,)).fetchone()
    found = array("q", (row and row[0]) or b"")
    if sys.byteorder == "little":
        found.byteswap()
    return found


def finding_prints(connection: Connection, name: str) -> set[int]:
    rows = connection.execute(
        f"SELECT DISTINCT print FROM {PREFIX}findings WHERE name = %s AND print IS NOT NULL", (name,)
    )
    return {row[0] for row in rows}


def to_try_again(connection: Connection, name: str) -> list[tuple[str | None, int, bool]]:
    """Rows that were not carried as they are because of other rows: key, print, and whether a value was emptied."""
    return connection.execute(
        f"""
        SELECT DISTINCT key, print, action = 'emptied' FROM {PREFIX}findings
        WHERE name = %s AND print IS NOT NULL AND (action = 'aside' AND col IS NULL OR problem = 'orphan')
        """,
        (name,),
    ).fetchall()


def forget_findings(connection: Connection, name: str, prints_: list[int]) -> None:
    connection.execute(f"DELETE FROM {PREFIX}findings WHERE name = %s AND print = ANY(%s)", (name, prints_))


def forget_whole_findings(connection: Connection) -> None:
    """Findings about whole tables, which each run finds anew; not what it has made or widened: that it does once."""
    connection.execute(f"DELETE FROM {PREFIX}findings WHERE print IS NULL AND action NOT IN ('made', 'widened')")


def add_findings(connection: Connection, lines: list[Line]) -> None:
    columns = "name, print, key, col, problem, message, action, original"
    with connection.cursor().copy(f"COPY {PREFIX}findings ({columns}) FROM STDIN") as copy:
        for line in lines:
            text = json.dumps(line.original)
            values = (line.name, line.print, line.key, line.column, line.problem, line.message, line.action, text)
            copy.write_row(values)


def reset_table(connection: Connection, state: TableState) -> None:
    """Forgets the rows of the table, and takes them out of the target."""
    connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(state.name)))
    connection.execute(f"DELETE FROM {PREFIX}rows WHERE tbl = %s", (state.id,))
    connection.execute(f"DELETE FROM {PREFIX}findings WHERE name = %s AND print IS NOT NULL", (state.name,))
    state.position, state.done, state.checked = None, False, None


def counters(connection: Connection) -> list[tuple[Any, ...]]:
    """Of each table: name, rows, inserted, updated, deleted, mended rows, rows aside."""
    return connection.execute(
        f"""
            SELECT t.name, t.rows, t.inserted, t.updated, t.deleted, coalesce(f.mended, 0), coalesce(f.aside, 0)
            FROM {PREFIX}tables t LEFT JOIN (
              SELECT name, count(DISTINCT print) FILTER (WHERE action IN ('changed', 'emptied')) AS mended,
                     count(*) FILTER (WHERE action = 'aside' AND col IS NULL) AS aside
              FROM {PREFIX}findings WHERE print IS NOT NULL GROUP BY name
            ) f USING (name) ORDER BY t.name
            """
    ).fetchall()
