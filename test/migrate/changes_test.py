"""The second pass applies what the old server wrote since the first, and nothing else."""

import io
import json
import tempfile
import unittest
import unittest.mock
from pathlib import Path
from typing import Any

import psycopg
from ask import Answered, ask_well
from many_messages import fill
from templates import copy_source, open_source, prepared_database
from webui_migrate.answers import Answers
from webui_migrate.tables import copy as tables_copy
from webui_migrate.tables.writer import Row, Writer


class ChangesTest(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.url = self.enterContext(prepared_database())
        self.path = f"{self.folder}/webui.db"
        copy_source(Path(self.path))
        self.source = open_source(Path(self.path))
        self.addCleanup(self.source.close)
        fill(self.source, 2000, users=10)

    def copy(self, number: int, source: str | None = None, **base: str) -> Answered:
        request = {"source": source or self.path, "target": self.url, "report": f"{self.folder}/report", **base}
        return ask_well("copy", **request, **{"pass": number})

    def counts(self, answered: Answered, name: str) -> tuple[int, ...]:
        (table,) = (table for table in answered.result["tables"] if table["table"] == name)
        return tuple(table[field] for field in ("rows", "inserted", "updated", "deleted", "aside"))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as target:
            return target.execute(query).fetchall()

    def assert_equal(self) -> None:
        verified = ask_well("verify", source=self.path, target=self.url).result
        self.assertTrue(verified["equal"], verified)

    def test_inserts_updates_and_deletes(self) -> None:
        self.assertEqual(self.counts(self.copy(1), "chat_message"), (2000, 2000, 0, 0, 0))
        self.source.execute("UPDATE chat_message SET content = '\"other\"' WHERE rowid % 100 = 7")
        self.source.execute("DELETE FROM chat_message WHERE rowid % 100 = 8")
        fill(self.source, 100, users=1, name="new")
        # Other rowids, as VACUUM gives them, are no change.
        self.source.execute("VACUUM")
        done = self.copy(2)
        self.assertEqual(self.counts(done, "chat_message"), (2080, 2100, 20, 20, 0))
        self.assert_equal()
        self.assertEqual(self.counts(self.copy(2), "chat_message"), (2080, 2100, 20, 20, 0))

    def test_values_of_unique_indexes_change_places(self) -> None:
        self.copy(1)
        keys = [key for (key,) in self.source.execute('SELECT id FROM "user" LIMIT 3')]
        emails = [self.source.execute('SELECT email FROM "user" WHERE id = ?', (key,)).fetchone()[0] for key in keys]
        for key, email in zip(keys, ("a", "b", "c"), strict=True):
            self.source.execute('UPDATE "user" SET email = ? WHERE id = ?', (email, key))
        for key, email in zip(keys, emails[1:] + emails[:1], strict=True):
            self.source.execute('UPDATE "user" SET email = ? WHERE id = ?', (email, key))
        done = self.copy(2)
        self.assertEqual(self.counts(done, "user"), (10, 10, 3, 0, 0))
        self.assert_equal()

    def test_what_was_aside_comes_in_when_its_reason_is_gone(self) -> None:
        self.source.execute("DROP INDEX uq_user_email_lower")
        twins = [key for (key,) in self.source.execute('SELECT id FROM "user" LIMIT 2')]
        self.source.execute("UPDATE \"user\" SET email = 'twin' WHERE id IN (?, ?)", twins)
        (chat,) = self.source.execute("SELECT id FROM chat LIMIT 1").fetchone()
        self.source.execute("UPDATE chat_message SET chat_id = 'gone' WHERE chat_id = ?", (chat,))
        first = self.copy(2)
        self.assertEqual(self.counts(first, "user")[4], 1)
        self.assertEqual(self.counts(first, "chat_message")[4], 50)
        self.assert_equal()
        self.source.execute('DELETE FROM "user" WHERE id = ?', twins[:1])
        self.source.execute("UPDATE chat_message SET chat_id = ? WHERE chat_id = 'gone'", (chat,))
        second = self.copy(2)
        self.assertEqual(self.counts(second, "user"), (9, 10, 0, 1, 0))
        self.assertEqual(self.counts(second, "chat_message")[4], 0)
        self.assertEqual(Path(f"{self.folder}/report").read_text(), "")
        self.assertEqual(self.rows("SELECT count(*) FROM chat_message"), [(2000,)])
        self.assert_equal()

    def test_children_of_a_parent_that_goes_are_told(self) -> None:
        self.copy(1)
        (chat,) = self.source.execute("SELECT id FROM chat LIMIT 1").fetchone()
        self.source.execute("DELETE FROM chat WHERE id = ?", (chat,))
        self.copy(2)
        report = [json.loads(line) for line in Path(f"{self.folder}/report").read_text().splitlines()]
        self.assertEqual({(line["problem"], line["action"]) for line in report}, {("orphan", "aside")})
        self.assertEqual(len(report), 50)
        self.assert_equal()

    def test_verify_finds_what_differs(self) -> None:
        self.copy(2)
        with psycopg.connect(self.url) as target:
            target.execute("UPDATE chat_message SET content = '\"forged\"' WHERE id LIKE '%-00000001-7'")
            target.execute("DELETE FROM chat_message WHERE id LIKE '%-00000002-9'")
            target.execute("INSERT INTO auth (id) VALUES ('a stranger')")
        verified = ask_well("verify", source=self.path, target=self.url).result
        self.assertFalse(verified["equal"])
        differing = {table["table"]: table["differing"] for table in verified["tables"] if not table["equal"]}
        self.assertEqual(sorted(differing), ["auth", "chat_message"])
        self.assertEqual(differing["auth"], ["a stranger"])
        self.assertEqual(sorted(key[-10:] for key in differing["chat_message"]), ["00000001-7", "00000002-9"])

    def test_says_what_was_written_since(self) -> None:
        self.copy(1)
        self.assertEqual(ask_well("written-since", target=self.url).result["finished"], False)
        self.copy(2)
        unwritten = {"finished": True, "written": False, "tables": []}
        self.assertEqual(ask_well("written-since", target=self.url).result, unwritten)
        with psycopg.connect(self.url) as target:
            target.execute("UPDATE \"user\" SET name = name WHERE id LIKE '%-00000003-%'")
            target.execute("DELETE FROM auth WHERE id LIKE '%-00000003-%'")
            target.execute("INSERT INTO tag (id, user_id) VALUES ('t', 'u')")
        written = ask_well("written-since", target=self.url).result
        self.assertTrue(written["written"])
        expected = [("auth", 0, 1), ("tag", 1, 0), ("user", 1, 0)]
        found = [(table["table"], table["written"], table["deleted"]) for table in written["tables"]]
        self.assertEqual(found, expected)

    def test_carries_anew_what_others_have_written_after_it(self) -> None:
        self.copy(1)
        self.copy(2)
        with psycopg.connect(self.url) as target:
            target.execute("UPDATE \"user\" SET last_active_at = 1 WHERE id LIKE '%-00000003-%'")
            target.execute("DELETE FROM chat_message WHERE id LIKE '%-00000001-7'")
            target.execute("INSERT INTO tag (id, user_id) VALUES ('t', 'u')")
        self.source.execute("UPDATE chat_message SET content = '\"other\"' WHERE id LIKE '%-00000001-8'")
        for number in (1, 2):
            self.copy(number)
            self.assert_equal()

    def test_to_look_is_not_to_write(self) -> None:
        self.copy(1)
        self.copy(2)
        with psycopg.connect(self.url) as target:
            target.execute('UPDATE "user" SET last_active_at = 1')
            target.execute("UPDATE chat SET last_read_at = 1")
        unwritten = {"finished": True, "written": False, "tables": []}
        since = ask_well("written-since", target=self.url, source=self.path).result
        self.assertEqual(since, unwritten)
        with psycopg.connect(self.url) as target:
            target.execute("UPDATE chat SET title = 'Other', last_read_at = 2 WHERE id LIKE '%-00000003'")
            target.execute("UPDATE chat_message SET content = content WHERE id LIKE '%-00000001-7'")
            target.execute("DELETE FROM auth WHERE id LIKE '%-00000003-%'")
        written = ask_well("written-since", target=self.url, source=self.path).result
        found = [(table["table"], table["written"], table["deleted"]) for table in written["tables"]]
        # Of what is never written by a look, any write counts.
        self.assertEqual(found, [("auth", 0, 1), ("chat", 1, 0), ("chat_message", 1, 0)])


class ChangesSinceACopyTest(ChangesTest):
    """The same where the first pass reads a copy, which says what has changed, and is compared."""

    def copy(self, number: int, source: str | None = None, **base: str) -> Answered:
        copied = f"{self.folder}/copy.db"
        if number == 2:
            return super().copy(2, base=copied)
        ask_well("upgrade-copy", source=self.path, copy=copied, env={})
        done = super().copy(1, copied)
        verified = ask_well("verify", source=copied, target=self.url).result
        self.assertTrue(verified["equal"], verified)
        return done

    def rows_verified(self) -> int:
        """How many rows the comparison reads of the target."""
        verified = ask_well("verify", source=self.path, target=self.url)
        self.assertTrue(verified.result["equal"], verified.result)
        return int(verified.progress[-1]["total"])

    def test_compares_only_what_has_changed(self) -> None:
        self.copy(1)
        self.source.execute("UPDATE chat_message SET content = '\"other\"' WHERE rowid % 100 = 7")
        self.source.execute("DELETE FROM chat_message WHERE rowid % 100 = 8")
        self.assertEqual(self.counts(self.copy(2), "chat_message"), (1980, 2000, 20, 20, 0))
        self.assertEqual(self.rows_verified(), 20)

    def test_finds_what_others_have_written_beside_what_has_changed(self) -> None:
        self.copy(1)
        self.source.execute("UPDATE chat_message SET content = '\"other\"' WHERE rowid = 7")
        self.copy(2)
        (key,) = self.source.execute("SELECT id FROM chat_message WHERE rowid = 9").fetchone()
        for change, differing in (
            ("UPDATE chat_message SET content = '\"forged\"' WHERE id = %s", 1),
            ("DELETE FROM chat_message WHERE id = %s", 1),
        ):
            with psycopg.connect(self.url) as target:
                target.execute(change, (key,))
            (table,) = (
                table
                for table in ask_well("verify", source=self.path, target=self.url).result["tables"]
                if table["table"] == "chat_message"
            )
            self.assertEqual((table["equal"], table["differing"]), (False, [key] * differing))

    def test_rows_that_others_kept_out_are_tried_again(self) -> None:
        (chat,) = self.source.execute("SELECT id FROM chat LIMIT 1").fetchone()
        self.source.execute("UPDATE chat_message SET chat_id = 'gone' WHERE chat_id = ?", (chat,))
        self.source.execute("INSERT INTO \"group\" (id, parent_group_id) VALUES ('g', 'h')")
        self.copy(1)
        self.assertEqual(self.counts(self.copy(2), "chat_message")[4], 50)
        self.copy(1)
        self.assertEqual(self.rows('SELECT parent_group_id FROM "group"'), [("h",)])
        self.source.execute("UPDATE chat SET id = 'gone' WHERE id = ?", (chat,))
        self.source.execute("INSERT INTO \"group\" (id) VALUES ('h')")
        self.assertEqual(self.counts(self.copy(2), "chat_message"), (2000, 2050, 0, 0, 0))
        self.assertEqual(self.rows("SELECT count(*) FROM chat_message WHERE chat_id = 'gone'"), [(50,)])
        self.assertEqual(self.rows("SELECT parent_group_id FROM \"group\" WHERE id = 'g'"), [("h",)])
        self.assertEqual(Path(f"{self.folder}/report").read_text(), "")
        self.assert_equal()

    def test_ends_right_after_it_was_cut_short_among_the_changes(self) -> None:
        self.copy(1)
        self.source.execute("UPDATE chat_message SET content = '\"other\"' WHERE rowid % 100 = 7")
        put = Writer.put
        calls: list[int] = []

        def put_once(writer: Writer, rows: list[Row]) -> list[str | None]:
            calls.append(len(rows))
            if len(calls) > 1:
                raise InterruptedError
            return put(writer, rows)

        report = f"{self.folder}/report"
        base = f"{self.folder}/copy.db"
        request: Any = {"source": self.path, "base": base, "target": self.url, "report": report, "pass": 2}
        with (
            unittest.mock.patch.object(tables_copy, "_BATCH_ROWS", 5),
            unittest.mock.patch.object(Writer, "put", put_once),
            self.assertRaises(InterruptedError),
        ):
            tables_copy.run(request, Answers(io.StringIO()))
        self.assertEqual(calls, [5, 5])
        self.copy(2)
        self.assertEqual(Path(report).read_text(), "")
        self.assert_equal()

    def test_case_and_type_of_a_value_are_changes(self) -> None:
        self.source.execute("CREATE TABLE plugin (id INTEGER PRIMARY KEY, word TEXT COLLATE NOCASE, any)")
        self.source.executemany("INSERT INTO plugin VALUES (?, ?, ?)", [(1, "a", 1), (2, "b", 2), (3, "c", 3)])
        self.copy(1)
        self.source.execute("UPDATE plugin SET word = 'A' WHERE id = 1")
        self.source.execute("UPDATE plugin SET any = 2.0 WHERE id = 2")
        self.copy(2)
        self.assertEqual(
            self.rows('SELECT word, "any" FROM plugin ORDER BY id'), [("A", "1"), ("b", "2.0"), ("c", "3")]
        )
        self.assert_equal()
