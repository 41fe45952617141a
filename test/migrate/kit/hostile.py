"""Makes a webui.db of what SQLite lets in and PostgreSQL refuses."""

import sqlite3
from pathlib import Path

from templates import copy_source, open_source

#: Bytes as text: SQLite checks no encoding.
_BAD_UTF8 = b"caf\xe9 au lait"
_LONE_SURROGATE = b"half \xed\xa0\xbd of it"
_WRITTEN_APART = b"\xed\xa0\xbd\xed\xb8\x80"

_USER = """INSERT INTO "user" (id, name, email, role, profile_image_url, last_active_at, updated_at, created_at)
           VALUES (?, ?, ?, 'user', '', 1, 1, 1)"""
_CHAT = """INSERT INTO chat (id, user_id, title, created_at, updated_at, archived, chat)
           VALUES (?, 'u1', ?, ?, 1, ?, ?)"""
_MESSAGE = "INSERT INTO chat_message (id, chat_id, user_id, role, content, done) VALUES (?, ?, 'u1', 'user', ?, ?)"


def make(path: Path) -> None:
    copy_source(path)
    connection = open_source(path)
    for fill in (_loosen, _texts, _json, _numbers_and_dates, _nulls, _orphans, _duplicates, _plugins, _no_tables):
        fill(connection)
    connection.close()


def _loosen(connection: sqlite3.Connection) -> None:
    """An old file's schema is laxer than the one that is made today: its columns stay, its constraints go."""
    for table in ("user", "api_key", "folder", "message", "config_old"):
        columns = connection.execute(f'SELECT name, type FROM pragma_table_info("{table}")').fetchall()
        connection.execute(f'DROP TABLE "{table}"')
        connection.execute(f'CREATE TABLE "{table}" ({", ".join(" ".join(column) for column in columns)})')
    connection.execute(_USER, ("u1", "One", "one@example.org"))


def _texts(connection: sqlite3.Connection) -> None:
    for key, title in (
        ("nul", "a\0b"),
        ("plain", "tab\t, newline\n, backslash \\N \\. and “quotes” 日本 😀"),
        ("empty", ""),
        ("null", None),
        ("blob", b"bytes of text"),
    ):
        connection.execute(_CHAT, (key, title, 1, 0, "{}"))
    for key, raw in (("utf8", _BAD_UTF8), ("surrogate", _LONE_SURROGATE), ("apart", _WRITTEN_APART)):
        connection.execute(_CHAT, (key, None, 1, 0, "{}"))
        connection.execute("UPDATE chat SET title = CAST(? AS TEXT) WHERE id = ?", (raw, key))


def _json(connection: sqlite3.Connection) -> None:
    connection.execute(_CHAT, ("c1", "of the messages", 1, 1, '{"history": {}}'))
    for key, content, done in (
        ("json", '{"a": [1, "ü", null]}', 1),
        ("json-twice", '"{\\"a\\": 1}"', 0),
        ("json-number", "17", None),
        ("json-empty", "", 1),
        ("json-broken", "{'a': 1}", 1),
        ("json-nan", '{"a": NaN, "b": [Infinity]}', 1),
        ("json-nul", '"a\\u0000b \\\\u0000 stays"', 1),
        ("json-surrogate", '"\\ud83d\\ude00 stays, \\ud83d goes"', 1),
        ("boolean-two", '"x"', 2),
        ("boolean-word", '"x"', "true"),
        ("boolean-nonsense", '"x"', "perhaps"),
    ):
        connection.execute(_MESSAGE, (key, "c1", content, done))
    connection.execute("INSERT INTO config (key, value, updated_at) VALUES ('broken', 'no json', 1)")


def _numbers_and_dates(connection: sqlite3.Connection) -> None:
    for key, created in (
        ("float", 1.5),
        ("whole-float", 1700000000.0),
        ("date-text", "2024-01-02 03:04:05"),
        ("nonsense", "yesterday"),
    ):
        connection.execute(_CHAT, (f"number-{key}", key, created, 0, "{}"))
    for number, version, moment in (
        (1, 0, "2024-01-02 03:04:05.678901"),
        (2, 2**40, 1704164645),
        (3, -1, 1704164645123),
        (41, 7, "2024-01-02T05:04:05+02:00"),
    ):
        connection.execute(
            "INSERT INTO config_old (id, data, version, created_at) VALUES (?, '{}', ?, ?)", (number, version, moment)
        )
    for key, born in (("born", "1990-02-03"), ("born-late", "1990-02-03 23:00:00"), ("born-epoch", 633830400)):
        connection.execute(_USER, (key, key, f"{key}@example.org"))
        connection.execute('UPDATE "user" SET date_of_birth = ? WHERE id = ?', (born, key))


def _nulls(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO message (id, content, is_pinned) VALUES ('m1', 'pinned NULL', NULL)")
    for key, name in (("f1", "a folder"), ("f2", None)):
        connection.execute(
            """INSERT INTO folder (id, user_id, name, is_expanded, created_at, updated_at)
               VALUES (?, 'u1', ?, 0, 1, 1)""",
            (key, name),
        )


def _orphans(connection: sqlite3.Connection) -> None:
    connection.execute(_MESSAGE, ("orphan", "no-such-chat", '"whose chat is gone"', 1))
    group = 'INSERT INTO "group" (id, user_id, name, parent_group_id) VALUES (?, ?, ?, ?)'
    # A circle, a child before its parent, a parent that is gone.
    for key, parent in (("g1", "g2"), ("g2", "g1"), ("g3", "g4"), ("g4", None), ("g5", "gone")):
        connection.execute(group, (key, "u1", key, parent))
    file = "INSERT INTO file (id, user_id, filename, created_at) VALUES ('file', 'u1', 'a.txt', 1)"
    connection.execute(file)
    connection.execute(
        "INSERT INTO knowledge (id, user_id, name, created_at) VALUES ('k1', 'u1', 'knowledge', 1)",
    )
    # The directory goes, as its knowledge is gone; then the file's reference to the directory is an orphan.
    directory = """
        INSERT INTO knowledge_directory (id, knowledge_id, parent_id, name, user_id, created_at, updated_at)
        VALUES (?, ?, ?, ?, 'u1', 1, 1)
    """
    connection.execute(directory, ("d1", "gone", None, "of no knowledge"))
    connection.execute(directory, ("d2", "k1", "d1", "below it"))
    connection.execute(
        """INSERT INTO knowledge_file (id, user_id, knowledge_id, file_id, created_at, updated_at, directory_id)
           VALUES ('kf', 'u1', 'k1', 'file', 1, 1, 'd1')"""
    )


def _duplicates(connection: sqlite3.Connection) -> None:
    for key, email in (("twin-1", "Same@example.org"), ("twin-2", "same@EXAMPLE.org"), ("no-mail-1", None)):
        connection.execute(_USER, (key, key, email))
    connection.execute(_USER, ("no-mail-2", "no-mail-2", None))
    # The same key twice, and the whole row twice.
    connection.execute(_USER, ("u1", "another One", "other@example.org"))
    for key in ("k1", "k2", "k2"):
        connection.execute(
            "INSERT INTO api_key (id, user_id, key, created_at, updated_at) VALUES (?, 'u1', 'sk-same', 1, 1)", (key,)
        )


def _plugins(connection: sqlite3.Connection) -> None:
    connection.execute('ALTER TABLE tag ADD COLUMN "plugin colour" TEXT')
    connection.execute("INSERT INTO tag (id, name, user_id, \"plugin colour\") VALUES ('t', 'T', 'u1', 'red')")
    connection.execute("INSERT INTO tag (id, name, user_id) VALUES ('t', 'T', 'u2')")
    connection.execute(
        'CREATE TABLE "Plugin Counts" '
        '(id INTEGER PRIMARY KEY AUTOINCREMENT, "what?" VARCHAR(3), number INT, flag BOOL)'
    )
    rows = [(1, "longer than three", 5, 1), (2, None, "no number", 0), (9, "x", 2**50, None)]
    connection.executemany('INSERT INTO "Plugin Counts" VALUES (?, ?, ?, ?)', rows)
    connection.execute("CREATE TABLE plugin_log (at TIMESTAMP, line)")
    same = ("2024-01-02 03:04:05", "same")
    connection.executemany("INSERT INTO plugin_log VALUES (?, ?)", [same, same, (None, 1.5)])
    connection.execute("CREATE TABLE plugin_pairs (a TEXT, b INTEGER, c BLOB, PRIMARY KEY (a, b)) WITHOUT ROWID")
    connection.executemany("INSERT INTO plugin_pairs VALUES (?, ?, ?)", [("x", 1, b"\x00\xff"), ("x", 2, None)])


def _no_tables(connection: sqlite3.Connection) -> None:
    connection.execute('CREATE VIEW names AS SELECT name FROM "user"')
    connection.execute("CREATE TRIGGER bells AFTER INSERT ON tag BEGIN SELECT 1; END")
    connection.execute("CREATE VIRTUAL TABLE found USING fts5(text)")
