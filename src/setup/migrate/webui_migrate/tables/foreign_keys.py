"""Foreign keys: out of the way while rows are copied, in any order; checked and put back at the end."""

import json
from dataclasses import dataclass

from psycopg import errors, sql

from . import state
from .carried import Carried, key_text
from .postgres import PREFIX, Connection
from .state import Line

#: Rows that are looked at in one go.
_BATCH = 1000


@dataclass
class _ForeignKey:
    name: str
    table: str
    definition: str
    columns: list[str]
    parent: str
    parent_columns: list[str]


def drop(connection: Connection) -> None:
    """Writes down the definitions and takes them out, in one transaction."""
    rows = connection.execute(
        """
        SELECT c.conname, child.relname, pg_get_constraintdef(c.oid),
               ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY k(n, o)
                     JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.n ORDER BY k.o),
               parent.relname,
               ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY k(n, o)
                     JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.n ORDER BY k.o)
        FROM pg_constraint c
        JOIN pg_class child ON child.oid = c.conrelid JOIN pg_class parent ON parent.oid = c.confrelid
        WHERE c.contype = 'f' AND c.connamespace = current_schema()::regnamespace AND c.conparentid = 0
        """
    ).fetchall()
    with connection.transaction():
        for row in rows:
            connection.execute(f"INSERT INTO {PREFIX}foreign_keys VALUES (%s, %s, %s, %s, %s, %s)", row)
            connection.execute(
                sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(sql.Identifier(row[1]), sql.Identifier(row[0]))
            )


def restore(connection: Connection, tables: dict[str, Carried]) -> None:
    """Puts the keys back, and takes orphans out before; the caller commits, so it is all or nothing."""
    keys = [_ForeignKey(*row) for row in connection.execute(f"SELECT * FROM {PREFIX}foreign_keys")]
    try:
        # Where there are none, looking for them would take longer than this.
        with connection.transaction():
            _add(connection, keys)
    except errors.ForeignKeyViolation:
        checked = [key for key in keys if key.table in tables]
        found = True
        while found:
            # A row that is taken out can make orphans of others.
            found = any([_settle(connection, key, tables[key.table]) for key in checked])
        _add(connection, keys)
    connection.execute(f"DELETE FROM {PREFIX}foreign_keys")


def _add(connection: Connection, keys: list[_ForeignKey]) -> None:
    for key in keys:
        connection.execute(
            sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(
                sql.Identifier(key.table), sql.Identifier(key.name), sql.SQL(key.definition)
            )
        )


def _settle(connection: Connection, key: _ForeignKey, table: Carried) -> bool:
    """Empties the reference of each orphan where it may be NULL, else puts the row aside. Says whether one was."""
    columns = table.target.columns
    orphans = sql.SQL(
        "SELECT t.ctid::text, {shown}, to_json(t)::text FROM {table} t WHERE {given} AND NOT EXISTS "
        "(SELECT 1 FROM {parent} p WHERE {same}) LIMIT {limit}"
    ).format(
        shown=sql.SQL(", ").join(
            sql.SQL("t.{}::text").format(sql.Identifier(name)) for name in (*table.target.key, *key.columns)
        ),
        table=sql.Identifier(key.table),
        parent=sql.Identifier(key.parent),
        given=sql.SQL(" AND ").join(sql.SQL("t.{} IS NOT NULL").format(sql.Identifier(name)) for name in key.columns),
        same=sql.SQL(" AND ").join(
            sql.SQL("p.{} = t.{}").format(sql.Identifier(theirs), sql.Identifier(ours))
            for ours, theirs in zip(key.columns, key.parent_columns, strict=True)
        ),
        limit=sql.Literal(_BATCH),
    )
    emptied = [name for name in key.columns if columns[name].nullable and name not in table.target.key]
    found = False
    while rows := connection.execute(orphans).fetchall():
        found = True
        places = [row[0] for row in rows]
        if not (emptied and _empty(connection, key, emptied[0], places)):
            emptied = []
            _delete(connection, key.table, places)
        _write_down(connection, key, table, rows, emptied)
    return found


def _empty(connection: Connection, key: _ForeignKey, column: str, places: list[str]) -> bool:
    try:
        with connection.transaction():
            connection.execute(
                sql.SQL("UPDATE {} SET {} = NULL WHERE ctid = ANY(%s::tid[])").format(
                    sql.Identifier(key.table), sql.Identifier(column)
                ),
                (places,),
            )
        return True
    except errors.IntegrityError:
        # A check of the table wants the reference.
        return False


def _delete(connection: Connection, table: str, places: list[str]) -> None:
    connection.execute(sql.SQL("DELETE FROM {} WHERE ctid = ANY(%s::tid[])").format(sql.Identifier(table)), (places,))


def _write_down(
    connection: Connection, key: _ForeignKey, table: Carried, rows: list[tuple[str, ...]], emptied: list[str]
) -> None:
    """The findings, and in the state: a later pass looks at these rows again."""
    width = len(table.target.key)
    keys = [key_text(row[1 : 1 + width]) or "" for row in rows]
    known = state.table(connection, table.name)
    assert known is not None
    prints: dict[str, int] = dict(
        connection.execute(
            f"SELECT key, print FROM {PREFIX}rows WHERE tbl = %s AND key = ANY(%s)", (known.id, keys)
        ).fetchall()
    )
    lines = []
    for text, row in zip(keys, rows, strict=True):
        to = f"{key.parent}({', '.join(key.parent_columns)}) = {', '.join(row[1 + width : -1])}"
        message = f"an orphan of {key.name}: there is no {to}"
        whole: object = row[1 + width] if emptied else json.loads(row[-1])
        action = "emptied" if emptied else "aside"
        column = emptied[0] if emptied else None
        lines.append(Line(table.name, prints.get(text, 0), text, column, "orphan", message, action, whole))
    state.add_findings(connection, lines)
    if emptied:
        query = f"UPDATE {PREFIX}rows SET print = 0 WHERE tbl = %s AND key = ANY(%s)"
    else:
        query = f"DELETE FROM {PREFIX}rows WHERE tbl = %s AND key = ANY(%s)"
    connection.execute(query, (known.id, keys))
