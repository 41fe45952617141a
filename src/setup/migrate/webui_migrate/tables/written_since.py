"""``written-since``: whether anybody has written the target since the second pass ended."""

import json

from psycopg import sql

from ..answers import Answers
from ..messages import WrittenSinceRequest, WrittenSinceResult, WrittenTable
from . import state
from .finish import count
from .postgres import connect, read_tables


def run(request: WrittenSinceRequest, _answers: Answers) -> WrittenSinceResult:
    with connect(request["target"], request.get("schema")) as target:
        finished = state.fact(target, "finished") if state.exists(target) else None
        if finished is None:
            return {"finished": False, "written": False, "tables": []}
        known = json.loads(finished)
        written: list[WrittenTable] = []
        for name in read_tables(target):
            # Tables that were made later, by a vector store for example, are not the migration's to judge.
            if name not in known["counts"]:
                continue
            row = target.execute(
                sql.SQL(
                    # age() is the distance to the present, so it is right beyond 2³² transactions too.
                    "SELECT count(*) FILTER (WHERE age(xmin) < age(%s::xid8::xid)) FROM {}"
                ).format(sql.Identifier(name)),
                (known["transaction"],),
            ).fetchone()
            new = int(row[0]) if row else 0
            deleted = max(0, known["counts"][name] - count(target, name))
            if new or deleted:
                written.append({"table": name, "written": new, "deleted": deleted})
        return {"finished": True, "written": bool(written), "tables": written}
