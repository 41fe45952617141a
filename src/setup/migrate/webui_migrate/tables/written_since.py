"""``written-since``: whether anybody has written the target since the second pass ended."""

import sqlite3
from contextlib import closing
from dataclasses import replace

from psycopg import sql

from ..answers import Answers
from ..messages import WrittenSinceRequest, WrittenSinceResult, WrittenTable
from . import compare, state
from . import sqlite as source_file
from .carried import Carried, pair
from .changes import rowids_of
from .finish import Finished, count, read_finished
from .postgres import Connection, connect, read_tables

#: In these columns Open WebUI keeps when somebody has last looked at something: at the page, a chat, a channel, or by
#: an API key (open_webui/models, 0.12.4). To look is not to write.
_LOOKED = ("last_active_at", "last_read_at", "last_used_at")


def run(request: WrittenSinceRequest, _answers: Answers) -> WrittenSinceResult:
    with connect(request["target"], request.get("schema")) as target:
        if not state.exists(target) or (finished := read_finished(target)) is None:
            return {"finished": False, "written": False, "tables": []}
        written = written_tables(target, finished)
        if (path := request.get("source")) is not None and written:
            written = _without_looks(path, target, finished["transaction"], written)
        return {"finished": True, "written": bool(written), "tables": written}


def written_tables(target: Connection, finished: Finished) -> list[WrittenTable]:
    """Those with rows that somebody has written, or taken out, since a second pass ended."""
    written: list[WrittenTable] = []
    for name in read_tables(target):
        # Tables that were made later, by a vector store for example, are not the migration's to judge.
        if name not in finished["counts"]:
            continue
        row = target.execute(
            sql.SQL(
                # age() is the distance to the present, so it is right beyond 2³² transactions too.
                "SELECT count(*) FILTER (WHERE age(xmin) < age(%s::xid8::xid)) FROM {}"
            ).format(sql.Identifier(name)),
            (finished["transaction"],),
        ).fetchone()
        new = int(row[0]) if row else 0
        deleted = max(0, finished["counts"][name] - count(target, name))
        if new or deleted:
            written.append({"table": name, "written": new, "deleted": deleted})
    return written


def _without_looks(
    path: str, target: Connection, transaction: str, written: list[WrittenTable]
) -> list[WrittenTable]:
    """Without rows that are in the source too, but for when somebody has looked."""
    with source_file.reading(path), closing(source_file.connect(path)) as source:
        carried = {table.name: table for table in pair(source, target, make=False)[0]}
        left: list[WrittenTable] = []
        for table in written:
            new = table["written"]
            if (ours := carried.get(table["table"])) is not None and new:
                new -= _only_looked_at(source, target, ours, transaction)
            if new or table["deleted"]:
                left.append({**table, "written": new})
        return left


def _only_looked_at(source: sqlite3.Connection, target: Connection, table: Carried, since: str) -> int:
    """How many rows that were written since that transaction say the same as the source's."""
    columns = [column for column in table.columns if column.name not in _LOOKED]
    if len(columns) == len(table.columns):
        return 0
    seen = replace(table, columns=columns)
    # Nothing is said of what was mended: such a row differs, and so counts as written.
    scope = compare.Scope()
    found = 0
    for key, text in compare.target_rows(target, seen, scope, since):
        if key is not None and (rowids := rowids_of(source, table, [key])):
            found += (key, text) in compare.source_rows(source, seen, scope, rowids)
    return found
