"""What SQLite lets in and PostgreSQL refuses: nothing is lost without a line in the report."""

import json
import tempfile
import unittest
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import date, datetime
from pathlib import Path
from typing import Any, ClassVar

import hostile
import psycopg
from ask import ask_well
from templates import open_source, prepared_database
from webui_migrate.tables.canonical import canonical
from webui_migrate.tables.columns import Column


def foreign_keys(target: psycopg.Connection[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return target.execute(
        """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
           WHERE contype = 'f' ORDER BY 1, 2"""
    ).fetchall()


class HostileTest(unittest.TestCase):
    target: ClassVar[psycopg.Connection[tuple[Any, ...]]]
    report: ClassVar[list[dict[str, Any]]]
    url: ClassVar[str]
    source: ClassVar[str]
    result: ClassVar[dict[str, Any]]
    foreign_keys: ClassVar[list[tuple[Any, ...]]]

    @classmethod
    def setUpClass(cls) -> None:
        stack = ExitStack()
        cls.addClassCleanup(stack.close)
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        cls.url = stack.enter_context(prepared_database())
        cls.source = f"{folder}/webui.db"
        hostile.make(Path(cls.source))
        before = Path(cls.source).read_bytes()
        cls.target = stack.enter_context(psycopg.connect(cls.url, autocommit=True))
        cls.foreign_keys = foreign_keys(cls.target)
        report = f"{folder}/report.jsonl"
        for number in (1, 2):
            copied = ask_well("copy", source=cls.source, target=cls.url, report=report, **{"pass": number})
        cls.result = copied.result
        cls.report = [json.loads(line) for line in Path(report).read_text().splitlines()]
        assert Path(report).stat().st_mode & 0o777 == 0o600
        assert Path(cls.source).read_bytes() == before, "the source was changed"

    def value(self, table: str, column: str, key: object, name: str = "id") -> Any:
        row = self.target.execute(f'SELECT "{column}" FROM "{table}" WHERE "{name}" = %s', (key,)).fetchone()
        self.assertIsNotNone(row, f"{table} has no {key}")
        assert row is not None
        return row[0]

    def lines(self, table: str, key: str | None, column: str | None = None) -> list[tuple[str, str, Any]]:
        """(problem, action, original) of the report's lines."""
        return [
            (line["problem"], line["action"], line["original"])
            for line in self.report
            if (line["table"], line["key"], line["column"]) == (table, key, column)
        ]

    def check(self, at: Sequence[str], expected: object, *lines: tuple[str, str, Any]) -> None:
        table, column, key = at
        self.assertEqual(self.value(table, column, key), expected, at)
        self.assertEqual(self.lines(table, key, column), list(lines), at)

    def test_texts(self) -> None:
        self.check(("chat", "title", "nul"), "ab", ("text", "changed", "a\0b"))
        latin = ("text", "changed", {"hex": b"caf\xe9 au lait".hex()})
        self.check(("chat", "title", "utf8"), "caf\ufffd au lait", latin)
        surrogate = ("text", "changed", {"hex": b"half \xed\xa0\xbd of it".hex()})
        self.check(("chat", "title", "surrogate"), "half  of it", surrogate)
        self.check(("chat", "title", "apart"), "😀", ("text", "changed", {"hex": "eda0bdedb880"}))
        self.check(("chat", "title", "blob"), "bytes of text", ("blob", "changed", {"hex": b"bytes of text".hex()}))
        self.check(("chat", "title", "plain"), "tab\t, newline\n, backslash \\N \\. and “quotes” 日本 😀")
        self.check(("chat", "title", "empty"), "")
        self.check(("chat", "title", "null"), None)

    def test_json(self) -> None:
        at = "chat_message", "content"
        self.check((*at, "json"), {"a": [1, "ü", None]})
        self.check((*at, "json-twice"), '{"a": 1}')
        self.check((*at, "json-number"), 17)
        self.check((*at, "json-empty"), None, ("json", "emptied", ""))
        self.check((*at, "json-broken"), None, ("json", "emptied", "{'a': 1}"))
        self.check((*at, "json-nan"), {"a": None, "b": [None]}, ("json", "changed", '{"a": NaN, "b": [Infinity]}'))
        nul = '"a\\u0000b \\\\u0000 stays"'
        self.check((*at, "json-nul"), "ab \\u0000 stays", ("json", "changed", nul))
        half = '"\\ud83d\\ude00 stays, \\ud83d goes"'
        self.check((*at, "json-surrogate"), "😀 stays,  goes", ("json", "changed", half))
        self.assertEqual(self.value("config", "value", "broken", "key"), "no json")
        self.assertEqual(self.lines("config", "broken", "value"), [("json", "changed", "no json")])
        # What PostgreSQL stores, it can also read as text.
        self.target.execute("SELECT content #>> '{}', chat.chat ->> 'history' FROM chat_message, chat").fetchall()

    def test_booleans(self) -> None:
        at = "chat_message", "done"
        self.check((*at, "json"), True)
        self.check((*at, "json-twice"), False)
        self.check((*at, "json-number"), None)
        self.check((*at, "boolean-word"), True)
        self.check((*at, "boolean-two"), True, ("boolean", "changed", 2))
        self.check((*at, "boolean-nonsense"), None, ("boolean", "emptied", "perhaps"))

    def test_numbers(self) -> None:
        at = "chat", "created_at"
        self.check((*at, "number-float"), 1, ("number", "changed", 1.5))
        self.check((*at, "number-whole-float"), 1_700_000_000)
        self.check((*at, "number-date-text"), 1704164645, ("date", "changed", "2024-01-02 03:04:05"))
        self.check((*at, "number-nonsense"), None, ("number", "emptied", "yesterday"))
        self.assertEqual(self.value("config_old", "version", 2), 2**40)
        self.assertEqual(self.lines("config_old", None, "version"), [("number", "widened", None)])

    def test_dates_in_three_forms(self) -> None:
        at = "config_old", "created_at"
        moment = datetime(2024, 1, 2, 3, 4, 5)
        for key, expected, *lines in (
            (1, moment.replace(microsecond=678901)),
            (2, moment, ("date", "changed", 1704164645)),
            (3, moment.replace(microsecond=123000), ("date", "changed", 1704164645123)),
            (41, moment, ("date", "changed", "2024-01-02T05:04:05+02:00")),
        ):
            self.assertEqual(self.value(*at, key), expected)
            self.assertEqual(self.lines("config_old", str(key), "created_at"), lines)
        at = "user", "date_of_birth"
        self.check((*at, "born"), date(1990, 2, 3))
        self.check((*at, "born-late"), date(1990, 2, 3), ("date", "changed", "1990-02-03 23:00:00"))
        self.check((*at, "born-epoch"), date(1990, 2, 1), ("date", "changed", 633830400))

    def test_null_where_it_may_not_be(self) -> None:
        self.check(("message", "is_pinned", "m1"), False, ("null", "changed", None))
        ((problem, action, whole),) = self.lines("folder", '["f2", "u1"]')
        self.assertEqual((problem, action, whole["created_at"]), ("null", "aside", 1))

    def test_orphans(self) -> None:
        ((problem, action, whole),) = self.lines("chat_message", "orphan")
        self.assertEqual((problem, action, whole["content"]), ("orphan", "aside", "whose chat is gone"))
        parents = dict(self.target.execute('SELECT id, parent_group_id FROM "group"').fetchall())
        self.assertEqual(parents, {"g1": "g2", "g2": "g1", "g3": "g4", "g4": None, "g5": None})
        self.assertEqual(self.lines("group", "g5", "parent_group_id"), [("orphan", "emptied", "gone")])
        self.assertEqual(self.lines("knowledge_directory", "d1")[0][:2], ("orphan", "aside"))
        self.check(("knowledge_directory", "parent_id", "d2"), None, ("orphan", "emptied", "d1"))
        self.check(("knowledge_file", "directory_id", "kf"), None, ("orphan", "emptied", "d1"))

    def test_puts_all_foreign_keys_back(self) -> None:
        self.assertEqual(foreign_keys(self.target), self.foreign_keys)
        self.assertGreater(len(self.foreign_keys), 10)

    def test_duplicates(self) -> None:
        self.assertEqual(self.value("user", "email", "twin-1"), "Same@example.org")
        ((problem, action, whole),) = self.lines("user", "twin-2")
        self.assertEqual((problem, action, whole["email"]), ("duplicate", "aside", "same@EXAMPLE.org"))
        self.assertEqual([line[:2] for line in self.lines("user", "u1")], [("duplicate", "aside")])
        self.assertEqual(self.value("user", "name", "u1"), "One")
        self.assertIsNone(self.value("user", "email", "no-mail-2"))
        self.assertEqual([line[:2] for line in self.lines("api_key", "k2")], [("duplicate", "aside")] * 2)

    def test_sequences(self) -> None:
        for into, expected in (
            ("config_old (data, version) VALUES ('{}', 1)", 42),
            ('"Plugin Counts" ("what?") VALUES (NULL)', 10),
        ):
            with self.target.transaction(force_rollback=True):
                row = self.target.execute(f"INSERT INTO {into} RETURNING id").fetchone()
                self.assertEqual(row, (expected,))

    def test_tables_and_columns_of_plugins(self) -> None:
        self.assertEqual(self.lines("tag", '["t", "u1"]', "plugin colour"), [("column", "aside", "red")])
        rows = self.target.execute('SELECT * FROM "Plugin Counts" ORDER BY id').fetchall()
        long = "longer than three"
        self.assertEqual(rows, [(1, long, "5", True), (2, None, "no number", False), (9, "x", str(2**50), None)])
        rows = self.target.execute("SELECT * FROM plugin_log ORDER BY at").fetchall()
        moment = datetime(2024, 1, 2, 3, 4, 5)
        self.assertEqual(rows, [(moment, "same"), (moment, "same"), (None, "1.5")])
        rows = self.target.execute("SELECT * FROM plugin_pairs ORDER BY b").fetchall()
        self.assertEqual(rows, [("x", 1, b"\x00\xff"), ("x", 2, None)])
        for name in ("Plugin Counts", "plugin_log", "plugin_pairs"):
            self.assertEqual([line[:2] for line in self.lines(name, None)], [("table", "made")])

    def test_names_what_is_no_table(self) -> None:
        for name, kind in (("names", "view"), ("bells", "trigger"), ("found", "virtual")):
            self.assertEqual(self.lines(name, None), [(kind, "left", None)])

    def test_every_row_and_value_is_there_or_in_the_report(self) -> None:
        """Asked of both databases themselves: neither the copier nor verify has a part in it."""
        source = open_source(Path(self.source))
        source.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
        told = {(line["table"], line["key"], line["column"]) for line in self.report}
        tables = source.execute(
            "SELECT name FROM pragma_table_list WHERE type = 'table' AND schema = 'main'"
        ).fetchall()
        keys = {"config": "key", "document": "collection_name", "plugin_pairs": "b", "tag": "user_id"}
        checked = 0
        for (table,) in tables:
            if table.startswith("sqlite_") or table in ("alembic_version", "plugin_log"):
                continue
            columns = self.target.execute(
                "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s", (table,)
            ).fetchall()
            key = keys.get(table, "id")
            for name, type_ in columns:
                text_of = canonical([Column(name, type_, nullable=True)])
                ours = f'SELECT "{key}", "{name}" FROM "{table}"'
                theirs = {
                    str(row[0]): text_of(row[1:])
                    for row in self.target.execute(f'SELECT "{key}", "{name}"::text FROM "{table}"')
                }
                for number, value in source.execute(ours).fetchall():
                    texts = (str(number), f'["{number}", "u1"]')
                    if any((table, text, place) in told for text in texts for place in (name, None)):
                        continue
                    self.assertEqual(theirs.get(str(number)), text_of([value]), (table, number, name))
                    checked += 1
        source.close()
        self.assertGreater(checked, 500)

    def test_verify_says_the_same(self) -> None:
        verified = ask_well("verify", source=self.source, target=self.url).result
        self.assertEqual([table for table in verified["tables"] if not table["equal"]], [])
        self.assertTrue(verified["equal"])
        users = next(table for table in verified["tables"] if table["table"] == "user")
        self.assertEqual((users["source"], users["target"], users["mended"], users["aside"]), (9, 7, 2, 2))
        counted = next(table for table in self.result["tables"] if table["table"] == "user")
        self.assertEqual((counted["rows"], counted["mended"], counted["aside"]), (9, 2, 2))
