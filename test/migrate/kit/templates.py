"""Databases with the schema that Open WebUI's own migrations make: made once for each environment, then copied."""

import os
import secrets
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from webui_migrate.tables import open_webui, state
from webui_migrate.tables.postgres import Connection, connect

SERVER = os.environ.get("WEBUI_TUNE_TEST_POSTGRES", "postgresql://root@127.0.0.1:5432/postgres")
#: Of pg_advisory_lock: whoever makes the template. The same as in test/kit/postgres.ts, which makes the same one.
_TEMPLATE_LOCK = 7_317_041


def url_of(name: str) -> str:
    return SERVER.rpartition("/")[0] + f"/{name}"


def server() -> Connection:
    return psycopg.connect(SERVER, autocommit=True)


def copy_source(path: Path) -> None:
    """A webui.db without rows."""
    template = Path(sys.prefix) / "webui-tune-migrate-template.db"
    if not template.exists():
        unfinished = template.with_suffix(f".{os.getpid()}")
        open_webui.migrate(f"sqlite:///{unfinished}", {})
        os.replace(unfinished, template)
    shutil.copyfile(template, path)


@contextmanager
def empty_database() -> Iterator[str]:
    """URL of a database of its own, with nothing in it."""
    with _database("template1") as url:
        yield url


@contextmanager
def prepared_database() -> Iterator[str]:
    """The same after ``prepare``, which would take ten seconds of Open WebUI's import."""
    with _database(_migrated_template()) as url:
        with connect(url, None) as target:
            state.make(target)
            state.set_fact(target, "revision", open_webui.revisions()[1])
        yield url


@contextmanager
def _database(template: str) -> Iterator[str]:
    name = f"webui_tune_test_{secrets.token_hex(6)}"
    with server() as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield url_of(name)
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _migrated_template() -> str:
    build = "".join(letter if letter.isalnum() else "_" for letter in Path(sys.prefix).name)
    name, unfinished = f"webui_tune_{build}", f"webui_tune_{build}_unfinished"
    with server() as admin:
        admin.execute("SELECT pg_advisory_lock(%s)", (_TEMPLATE_LOCK,))
        if admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
            admin.execute(f"DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)")
            admin.execute(f"CREATE DATABASE {unfinished}")
            open_webui.migrate(url_of(unfinished), {})
            admin.execute(f"ALTER DATABASE {unfinished} RENAME TO {name}")
    return name


def open_source(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)
