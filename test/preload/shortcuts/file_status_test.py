"""The route of the status in an app of its own; conformance.test.ts asks the real one in each of its ways."""

import json
import sys
import unittest
from types import ModuleType
from typing import Any
from unittest import mock

from fastapi import FastAPI
from sqlalchemy import JSON, Column, String, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Session
from webui_preload.ask import ask
from webui_preload.shortcuts import file_status, known_source

TEXT = "all of its text " * 1000


class Base(DeclarativeBase):
    pass


class File(Base):
    __tablename__ = "file"
    id = Column(String, primary_key=True)
    data = Column(JSON, nullable=True)
    meta = Column(JSON, nullable=True)


class FileModel:
    def __init__(self, id: str, data: dict[str, Any], meta: Any) -> None:
        self.id, self.data, self.meta = id, data, meta


class _Database:
    """In the place of Open WebUI's session."""

    def __init__(self) -> None:
        self.engine = create_engine("sqlite://")
        self.read: list[str] = []
        event.listen(self.engine, "before_cursor_execute", lambda _c, _k, statement, *_: self.read.append(statement))
        Base.metadata.create_all(self.engine)

    def __call__(self, session: None) -> "_Database":
        return self

    async def __aenter__(self) -> "_Database":
        self.session = Session(self.engine)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.session.close()

    async def execute(self, statement: Any) -> Any:
        return self.session.execute(statement)


class FileStatusTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self) -> None:
        self.database = _Database()
        models, files = ModuleType("models"), ModuleType("files")
        vars(models).update(File=File, FileModel=FileModel, get_async_db_context=self.database, select=select)

        class Files:
            async def get_file_by_id(self, id: str) -> FileModel:
                return FileModel(id, {"status": "read by the app"}, None)

        source = """
async def get_file_process_status(id: str):
    file = await Files.get_file_by_id(id)
    return file and {**file.data, "meta": file.meta}
"""
        vars(files)["Files"] = Files()
        exec(source, vars(files))
        self.app = FastAPI()
        self.app.get("/{id}/status")(vars(files)["get_file_process_status"])
        names = {"open_webui.models.files": models, "open_webui.routers.files": files}
        self.enterContext(mock.patch.dict(sys.modules, names))
        self.told = self.enterContext(mock.patch.object(known_source, "complain"))

    def spare(self, *, known: bool = True) -> None:
        digests = {name: digest if known else "another" for name, digest in file_status.KNOWN.items()}
        with mock.patch.object(known_source, "digest_of", digests.get):
            file_status.read_status_alone(self.app.routes)

    async def status(self, id: str) -> Any:
        return json.loads((await ask(self.app, f"/{id}/status")).body)

    async def test_reads_what_is_asked_for_alone(self) -> None:
        self.spare()
        stored = {
            "new": ({}, {}),
            "waits": ({"status": "pending", "place": 3, "content": TEXT}, {"status": "pending"}),
            "ready": ({"status": "completed", "content": TEXT}, {"status": "completed"}),
            "failed": ({"status": "failed", "error": 'a "reason"'}, {"status": "failed", "error": 'a "reason"'}),
        }
        with Session(self.database.engine) as session:
            session.add_all(File(id=id, data=data, meta={"size": 1}) for id, (data, _) in stored.items())
            session.commit()
        self.database.read.clear()
        for id, (_, expected) in stored.items():
            self.assertEqual(await self.status(id), {**expected, "meta": {"size": 1}}, id)
        self.assertIsNone(await self.status("no such"))
        self.assertEqual(len(self.database.read), 6)
        for statement in self.database.read:
            self.assertNotIn("file.data", statement.replace("JSON_EXTRACT(file.data", ""))
        self.told.assert_not_called()

    async def test_has_no_file_where_the_database_is_away(self) -> None:
        self.spare()
        Base.metadata.drop_all(self.database.engine)
        self.assertIsNone(await self.status("any"))

    async def test_leaves_another_version_alone_and_says_so(self) -> None:
        self.spare(known=False)
        self.assertEqual((await self.status("any"))["status"], "read by the app")
        self.told.assert_called_once()
