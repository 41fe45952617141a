import logging
import os
import sqlite3
import sys
import tempfile
import textwrap
import threading
import unittest
import unittest.mock
from pathlib import Path

from child import in_child
from webui_preload.sharing import levels

DATABASE = """
import os
from sqlalchemy import Column, Text, create_engine
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import declarative_base
PATH = os.environ["STAND_IN_DATABASE"]
engine = create_engine(f"sqlite:///{PATH}")
async_engine = create_async_engine(f"sqlite+aiosqlite:///{PATH}")
session = async_sessionmaker(async_engine)
Base = declarative_base()
class Note(Base):
    __tablename__ = "note"
    text = Column(Text, primary_key=True)
"""

AUTH = """
from fastapi import Header, HTTPException
def create_token(data):
    return data["id"]
async def get_current_user(authorization: str = Header()):
    raise HTTPException(401)
"""

USERS = """
from pydantic import BaseModel
class UserModel(BaseModel):
    id: str
    name: str
    email: str
    role: str
    last_active_at: int
    updated_at: int
    created_at: int
"""

MAIN = """
import asyncio
from fastapi import Depends, FastAPI
from sqlalchemy import select
from open_webui.internal.db import Note, session
from open_webui.utils.auth import get_current_user
app = FastAPI()
seen = []
app.state.kept = "as imported"
@app.get("/api/v1/notes/pinned")
async def notes(user=Depends(get_current_user)):
    async with session() as database:
        found = (await database.scalars(select(Note))).all()
    seen.append((user.role, [note.text for note in found]))
"""


class WarmTest(unittest.TestCase):
    """A package of the same name stands in for Open WebUI, to do on purpose what must not be done before a fork."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.database = Path(folder.name) / "stand-in.db"
        with sqlite3.connect(self.database) as connection:
            connection.execute("CREATE TABLE note (text TEXT PRIMARY KEY)")
            connection.execute("INSERT INTO note VALUES ('buy bread')")
        connection.close()
        os.environ["STAND_IN_DATABASE"] = str(self.database)
        self.addCleanup(os.environ.pop, "STAND_IN_DATABASE")
        self.package = Path(folder.name) / "open_webui"
        for module, source in {
            "__init__": "",
            "env": "",
            "internal/db": DATABASE,
            "utils/auth": AUTH,
            "models/users": USERS,
        }.items():
            path = self.package / f"{module}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
        sys.path.insert(0, folder.name)
        self.addCleanup(sys.path.remove, folder.name)
        for name in [name for name in sys.modules if name.startswith("open_webui")]:
            del sys.modules[name]

    def preload(self, more: str = "", show: str = "", *, notes: str = "") -> str:
        """What ``show`` is once the app with ``more`` is preloaded, or why not; ``notes``: its handler's end."""
        (self.package / "main.py").write_text(MAIN + textwrap.indent(notes, "    ") + "\n" + textwrap.dedent(more))

        def check() -> str:
            try:
                levels.preload(levels.APP, "a test", "0.12.4", options=levels.AppOptions(warms=True))
            except levels.Unsafe as obstacle:
                return f"Unsafe: {obstacle}, without {obstacle.part or 'nothing'}"
            names = vars(sys.modules["open_webui.main"])
            return str(eval(show, {**names, "threading": threading, "logging": logging}))

        return in_child(check)

    def rows(self) -> list[str]:
        with sqlite3.connect(self.database) as connection:
            found = [text for (text,) in connection.execute("SELECT text FROM note")]
        connection.close()
        return found

    def test_a_user_and_an_administrator_are_answered_and_somebody_without_an_account_is_not(self) -> None:
        shown = self.preload(show="seen")
        self.assertEqual(shown, "[('user', ['buy bread']), ('admin', ['buy bread'])]")

    def test_nothing_of_it_stays_behind(self) -> None:
        self.assertEqual(
            self.preload(
                show="len(seen), app.dependency_overrides, vars(app.state)['_state'], app.middleware_stack, "
                "threading.active_count(), logging.root.manager.disable",
                notes="app.state.kept, app.state.new = user.role, 1",
            ),
            "(2, {}, {'kept': 'as imported'}, None, 1, 0)",
        )

    def test_what_the_app_would_write_is_refused(self) -> None:
        shown = self.preload(
            show="tried",
            notes="""
from sqlalchemy import text
from open_webui.internal import db
for write in (by_async_engine, by_engine):
    try:
        await write(text("INSERT INTO note VALUES ('written')"))
    except Exception as error:
        tried.append(str(error.orig))
            """,
            more="""
            tried = []
            async def by_async_engine(statement):
                async with session() as database:
                    await database.execute(statement)
                    await database.commit()
            async def by_engine(statement):
                from open_webui.internal.db import engine
                with engine.begin() as connection:
                    connection.execute(statement)
            """,
        )
        self.assertEqual(shown, str(["attempt to write a readonly database"] * 4))
        self.assertEqual(self.rows(), ["buy bread"])

    def test_the_app_reaches_no_other_server(self) -> None:
        shown = self.preload(
            show="tried",
            notes="""
loop = asyncio.get_running_loop()
for connect in (
    asyncio.open_connection("127.0.0.1", 9),
    asyncio.open_unix_connection("/nowhere"),
    loop.sock_connect(None, ("127.0.0.1", 9)),
):
    try:
        await connect
    except ConnectionRefusedError as error:
        tried.add(str(error))
            """,
            more="tried = set()",
        )
        self.assertEqual(shown, "{'no connection is made before the fork'}")

    def test_a_row_that_is_kept_makes_it_unsafe(self) -> None:
        self.assertEqual(
            self.preload(notes="kept.extend(found)", more="kept = []"),
            "Unsafe: a row of the database (Note), without warmed caches",
        )

    def test_a_thread_that_is_left_makes_it_unsafe(self) -> None:
        notes = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        with unittest.mock.patch("webui_preload.sharing.warm._THREADS_END", 0.01):
            self.assertEqual(self.preload(notes=notes), "Unsafe: 2 Python threads, without warmed caches")

    def test_an_id_that_is_left_makes_it_unsafe(self) -> None:
        unsafe = self.preload(notes="import uuid\nkept.append((str(uuid.uuid4()), []))", more="kept = []")
        self.assertRegex(unsafe, "^Unsafe: ids that cannot be renewed: .*, without warmed caches$")

    def test_an_app_that_does_not_answer_in_time_is_not_waited_for(self) -> None:
        with unittest.mock.patch("webui_preload.sharing.warm._LIMIT", 0.2):
            self.assertEqual(self.preload(show="'preloaded'", notes="await asyncio.sleep(60)"), "preloaded")

    def test_an_app_that_records_who_reads_goes_without(self) -> None:
        records = {"AUDIT_LOG_LEVEL": "METADATA", "ENABLE_AUDIT_GET_REQUESTS": "true"}
        with unittest.mock.patch.dict(os.environ, records):
            self.assertEqual(self.preload(show="seen"), "[]")

    def test_a_version_with_other_users_goes_without(self) -> None:
        (self.package / "models" / "users.py").write_text("")
        self.assertEqual(self.preload(show="seen"), "[]")

    def test_a_database_whose_transactions_may_write_goes_without(self) -> None:
        more = "from unittest import mock\nfrom open_webui.internal import db\ndb.engine.dialect.name = 'oracle'\n"
        self.assertEqual(self.preload(show="seen", more=more), "[]")
