"""The end of the second pass: foreign keys, sequences, and from when on the target is Open WebUI's."""

import json
import re
from typing import TypedDict, cast

from psycopg import sql

from . import foreign_keys, state
from .carried import Carried
from .postgres import Connection

_NEXTVAL = re.compile(r"nextval\('([^']+)'")
#: Name of the fact.
_FINISHED = "finished"


class Finished(TypedDict):
    """What the end of the second pass leaves in the state."""

    #: The last transaction of the migration: rows of later ones are somebody else's.
    transaction: str
    #: Rows of each table.
    counts: dict[str, int]


def finish(target: Connection, tables: dict[str, Carried]) -> None:
    with target.transaction():
        target.execute("SET LOCAL synchronous_commit = on")
        foreign_keys.restore(target, tables)
        for table in tables.values():
            _set_sequences(target, table)
    with target.transaction():
        target.execute("SET LOCAL synchronous_commit = on")
        counts = {name: count(target, name) for name in tables}
        row = target.execute("SELECT pg_current_xact_id()::text").fetchone()
        assert row is not None
        finished: Finished = {"transaction": row[0], "counts": counts}
        state.set_fact(target, _FINISHED, json.dumps(finished))


def read_finished(target: Connection) -> Finished | None:
    """None: no second pass has ended, or another has begun since."""
    found = state.fact(target, _FINISHED)
    return cast(Finished, json.loads(found)) if found is not None else None


def forget_finished(target: Connection) -> None:
    state.forget_fact(target, _FINISHED)


def analyze(target: Connection, name: str) -> None:
    """A plan for a table that PostgreSQL knows nothing of yet reads all of it."""
    target.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(name)))


def count(target: Connection, name: str) -> int:
    row = target.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))).fetchone()
    assert row is not None
    return int(row[0])


def _set_sequences(target: Connection, table: Carried) -> None:
    """The next number is one that no row has."""
    quoted = table.name.replace('"', '""')
    for name, column in table.target.columns.items():
        row = target.execute("SELECT pg_get_serial_sequence(%s, %s)", (f'"{quoted}"', name)).fetchone()
        # A sequence that belongs to no column is named in the default alone.
        named = _NEXTVAL.match(column.default or "")
        sequence = row[0] if row and row[0] else named[1] if named else None
        if sequence is None:
            continue
        target.execute(
            sql.SQL("SELECT setval(%s, greatest(max({}), 1), max({}) IS NOT NULL) FROM {}").format(
                sql.Identifier(name), sql.Identifier(name), sql.Identifier(table.name)
            ),
            (sequence,),
        )
