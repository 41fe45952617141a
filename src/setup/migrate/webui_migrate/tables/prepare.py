"""``prepare``: checks the target, and has Open WebUI's own migrations make its schema."""

import resource
import time
from contextlib import closing
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from ..answers import Answers, Refused
from ..messages import PrepareRequest, PrepareResult
from ..meter import largest_memory
from . import open_webui, state
from .postgres import Connection, connect, lock, read_tables
from .sqlite import connect as open_source

#: pgvector needs it, and so do we (xid8).
_LEAST_SERVER = 130000


def run(request: PrepareRequest, answers: Answers) -> PrepareResult:
    begun = time.monotonic()
    schema = request.get("schema")
    with connect(request["target"], schema) as target:
        lock(target)
        _check_server(target, schema)
        if request.get("pgvector", True):
            _check_pgvector(target)
        resumed = _check_empty(target)
        target.rollback()
        server = str(target.info.parameter_status("server_version"))
        revision = ""
        if not request.get("dry", False):
            answers.progress({"step": "schema", "done": 0, "total": 1, "unit": "steps"})
            revision = _make_schema(target, request, schema, is_made=resumed)
        return {
            "server": server,
            "revision": revision,
            "tables": len(read_tables(target)),
            "resumed": resumed,
            "seconds": time.monotonic() - begun,
            "memory": largest_memory(resource.RUSAGE_CHILDREN),
        }


def require_prepared(target: Connection, source: str) -> None:
    """Refuses a source whose schema is not the one that was made in the target."""
    if not state.exists(target) or (prepared := state.fact(target, "revision")) is None:
        raise Refused("target-not-prepared", "the target has no schema of Open WebUI", "Run prepare first.")
    with closing(open_source(source)) as connection:
        revision, _, version = open_webui.version_of(connection)
    open_webui.refuse_unless_known(source, version, revision)
    if revision != prepared:
        raise Refused(
            "source-version",
            f"{source} has revision {revision}, the target {prepared}",
            "Migrate a copy of the source first: upgrade-copy.",
        )


def _make_schema(target: Connection, request: PrepareRequest, schema: str | None, *, is_made: bool) -> str:
    _, latest = open_webui.revisions()
    if not is_made:
        env = {**request["env"], **({"DATABASE_SCHEMA": schema} if schema else {})}
        # psycopg2, which migrates, does not know the short form.
        parts = urlsplit(request["target"])
        open_webui.migrate(urlunsplit(parts._replace(scheme="postgresql")), env)
        state.make(target)
        # Last: a target without it is made again from the beginning.
        row = target.execute("SELECT version_num FROM alembic_version").fetchone()
        state.set_fact(target, "revision", str(row[0]) if row else "")
        target.commit()
    revision = state.fact(target, "revision")
    if revision != latest:
        raise Refused(
            "target-not-prepared",
            f"the target's schema has revision {revision}, the installed Open WebUI makes {latest}",
            "Migrate into an empty database.",
        )
    return revision


def _check_server(target: Connection, schema: str | None) -> None:
    if target.info.server_version < _LEAST_SERVER:
        raise Refused(
            "target-old",
            f"the target is PostgreSQL {target.info.parameter_status('server_version')}",
            "Use PostgreSQL 13 or newer; without DATABASE_URL, webui-tune brings one of its own.",
        )
    encoding = target.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise Refused(
            "target-encoding",
            f"the target's database has the encoding {encoding}, which cannot hold all texts",
            "Create it with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0.",
        )
    row = target.execute("SELECT current_schema()").fetchone()
    current = row[0] if row else None
    if current is None or (schema is not None and current != schema):
        raise Refused(
            "target-permission",
            f"the target has no schema {schema or 'in its search path'}",
            f"Create it: CREATE SCHEMA {schema or 'public'}.",
        )
    row = target.execute(
        "SELECT current_user, has_schema_privilege(current_schema(), 'CREATE'), "
        "has_database_privilege(current_database(), 'TEMPORARY')"
    ).fetchone()
    if row is None or not (row[1] and row[2]):
        raise Refused(
            "target-permission",
            f"the role {row[0] if row else ''} may not make tables in the target's schema {current}",
            f"GRANT CREATE ON SCHEMA {current} TO the role, and TEMPORARY ON the database.",
        )


def _check_pgvector(target: Connection) -> None:
    row = target.execute(
        "SELECT default_version, installed_version FROM pg_available_extensions WHERE name = 'vector'"
    ).fetchone()
    if row is None:
        raise Refused(
            "target-no-pgvector",
            "the target's server has no pgvector, so documents could not be searched",
            "Install it there (Debian: the package postgresql-15-pgvector, with the server's number), "
            "or let webui-tune bring a server: leave out DATABASE_URL.",
        )
    if row[1] is None:
        try:
            target.execute("CREATE EXTENSION vector")
        except psycopg.Error as error:
            raise Refused(
                "target-no-pgvector",
                f"the role may not make the extension vector: {error.diag.message_primary}",
                "As a superuser, in the target's database: CREATE EXTENSION vector.",
            ) from None
        finally:
            target.rollback()


def _check_empty(target: Connection) -> bool:
    """Whether a migration was begun here. Refuses tables with rows that are none of it."""
    if state.exists(target) and state.fact(target, "revision") is not None:
        return True
    tables = read_tables(target)
    filled = []
    for name in tables:
        if name == "alembic_version":
            continue
        row = target.execute(sql.SQL("SELECT EXISTS (SELECT 1 FROM {})").format(sql.Identifier(name))).fetchone()
        if row and row[0]:
            filled.append(name)
    if filled:
        raise Refused(
            "target-not-empty",
            f"the target has rows already, in {', '.join(filled[:5])}{' and others' if len(filled) > 5 else ''}",
            "Name an empty database: nothing is ever mixed or overwritten.",
        )
    return False
