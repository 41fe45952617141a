"""``forget``: takes the migration's own tables out of the target, when nobody wants to go back any more."""

from psycopg import sql

from ..answers import Answers
from ..messages import ForgetRequest, ForgetResult
from .postgres import PREFIX, connect, lock


def run(request: ForgetRequest, _answers: Answers) -> ForgetResult:
    dropped: list[str] = []
    # Vectors may have a database of their own; they are in its default schema.
    places = [(request["target"], request.get("schema")), (request["vectors"], None)]
    for url, schema in dict.fromkeys(places):
        with connect(url, schema) as target:
            lock(target)
            names = target.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND starts_with(tablename, %s)",
                (PREFIX,),
            ).fetchall()
            for (name,) in names:
                target.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
                dropped.append(name)
    return {"dropped": sorted(dropped)}
