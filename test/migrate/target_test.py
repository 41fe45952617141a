"""What ``prepare`` makes of a target, and what it refuses before anything is changed."""

import tempfile
import unittest
from pathlib import Path
from typing import Any

import psycopg
from ask import ask, ask_well
from templates import copy_source, empty_database, server, url_of
from webui_migrate.answers import Refused
from webui_migrate.tables import open_webui
from webui_migrate.tables.postgres import connect, lock


def tables(url: str) -> list[str]:
    with psycopg.connect(url) as target:
        query = """SELECT tablename FROM pg_tables
                   WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"""
        return [name for (name,) in target.execute(query)]


class TargetTest(unittest.TestCase):
    def assert_refused(self, code: str, url: str, **request: Any) -> None:
        before = tables(url)
        answered = ask("prepare", target=url, **{"env": {}, "pgvector": False, **request})
        self.assertEqual((answered.code, answered.error.get("code")), (1, code), answered.stderr)
        self.assertTrue(answered.error["mends"])
        self.assertEqual(tables(url), before)

    def test_makes_the_schema_once(self) -> None:
        with empty_database() as url:
            checked = ask_well("prepare", target=url, env={}, pgvector=False, dry=True)
            self.assertEqual((checked.result["tables"], tables(url)), (0, []))
            done = ask_well("prepare", target=url, env={}, pgvector=False)
            self.assertEqual(done.result["revision"], open_webui.revisions()[1])
            self.assertIn("chat_message", tables(url))
            self.assertFalse(done.result["resumed"])
            self.assertLess(done.result["memory"], 300 * 2**20)
            again = ask_well("prepare", target=url, env={}, pgvector=False)
            self.assertTrue(again.result["resumed"])
            # Open WebUI's own migrations do not trip over the migration's tables.
            open_webui.migrate(url, {})

    def test_makes_it_in_a_schema_of_its_own(self) -> None:
        with empty_database() as url, tempfile.TemporaryDirectory() as folder:
            self.assert_refused("target-permission", url, schema="of_webui")
            with psycopg.connect(url, autocommit=True) as target:
                target.execute("CREATE SCHEMA of_webui")
            path = f"{folder}/webui.db"
            copy_source(Path(path))
            ask_well("prepare", target=url, schema="of_webui", env={}, pgvector=False)
            request = {"source": path, "target": url, "schema": "of_webui"}
            ask_well("copy", **request, report=f"{folder}/report", **{"pass": 2})
            self.assertTrue(ask_well("verify", **request).result["equal"])
            with psycopg.connect(url) as target:
                public = target.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            self.assertEqual(public, [])
            self.assertIn("webui_tune_migration_rows", tables(url))
            forgotten = ask_well("forget", target=url, schema="of_webui", vectors=url).result["dropped"]
            self.assertIn("webui_tune_migration_rows", forgotten)
            left = tables(url)
            self.assertEqual([name for name in left if name.startswith("webui_tune")], [])
            self.assertIn("chat", left)
            self.assertEqual(ask_well("forget", target=url, schema="of_webui", vectors=url).result["dropped"], [])

    def test_refuses_a_target_with_rows(self) -> None:
        with empty_database() as url:
            with psycopg.connect(url) as target:
                target.execute("CREATE TABLE of_others AS SELECT 1 AS a")
            self.assert_refused("target-not-empty", url)

    def test_refuses_a_target_without_pgvector(self) -> None:
        with empty_database() as url:
            with psycopg.connect(url) as target:
                query = "SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'"
                (has_pgvector,) = target.execute(query).fetchone() or (0,)
            if has_pgvector:
                self.assertEqual(ask_well("prepare", target=url, env={}, dry=True).code, 0)
            else:
                self.assert_refused("target-no-pgvector", url, pgvector=True)

    def test_refuses_an_encoding_that_does_not_hold_all_texts(self) -> None:
        name = "webui_tune_test_latin1"
        with server() as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {name}")
            admin.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
            try:
                self.assert_refused("target-encoding", url_of(name))
            finally:
                admin.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def test_refuses_a_server_that_is_not_there_without_its_password(self) -> None:
        answered = ask("prepare", target="postgresql://a:very-secret@127.0.0.1:9/none", env={})
        self.assertEqual(answered.error["code"], "target-unreachable")
        self.assertNotIn("very-secret", str(answered.error) + answered.stderr)

    def test_copies_only_into_what_was_prepared(self) -> None:
        with empty_database() as url, tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/webui.db"
            copy_source(Path(path))
            request = {"source": path, "target": url, "report": f"{folder}/report", "pass": 1}
            self.assertEqual(ask("copy", **request).error["code"], "target-not-prepared")

    def test_lets_one_migration_in_at_a_time(self) -> None:
        with empty_database() as url, connect(url, None) as one, connect(url, None) as other:
            lock(one)
            with self.assertRaisesRegex(Refused, "another migration"):
                lock(other, timeout=0.1)
            one.close()
            lock(other)
