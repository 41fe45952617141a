import asyncio
import os
import sys
import tempfile
import types
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from child import in_child
from webui_preload.documents import helper
from webui_preload.documents.helper import EXIT_DONE, Task, run_helper
from webui_preload.documents.jobs import Job, Jobs, Kind
from webui_preload.settings import DocumentSettings
from webui_preload.sharing.descriptors import Descriptors
from webui_preload.sharing.identities import Identities
from webui_preload.sharing.levels import Preload

MIB = 1 << 20


def fake_app(row: dict[str, Any], log: list[str]) -> dict[str, Any]:
    """Modules with what a helper uses of the app; ``row`` is the file's data in the database."""
    names = ("main", "routers.files", "routers.retrieval", "retrieval.loaders.main", "models.users")
    modules: dict[str, Any] = {name: types.ModuleType(f"open_webui.{name}") for name in names}
    main, files, retrieval, loaders, users = (modules[name] for name in names)

    async def get_many(*_names: str) -> dict[str, str]:
        return {"rag.embedding_engine": "openai"}

    async def get_user(_id: str) -> str:
        return "user"

    async def update_data(_id: str, data: dict[str, Any]) -> None:
        row.update(data)

    async def update_hash(_id: str, _hash: None) -> None:
        log.append("hash")

    async def get_file(_id: str) -> Any:
        return types.SimpleNamespace(id="f", filename="f.pdf", data=row)

    async def publish_event(_request: Any, event: str, **_about: Any) -> None:
        log.append(event)

    async def process(_request: Any, file: Any, path: str, _item: Any, metadata: Any, user: str) -> None:
        log.append(f"{file.content_type} {path} {metadata} {user}")
        try:
            await asyncio.to_thread(loaders.Loader().load)
            row["status"] = "completed"
        except Exception as error:
            row.update(status="failed", error=str(error))

    async def index(_request: Any, form: Any, _user: str, _session: Any) -> dict[str, Any]:
        if form.content == "bad":
            raise files.HTTPException(404)
        return {"content": form.content}

    class Vectors:
        async def has_collection(self, collection_name: str) -> bool:
            return True

        async def delete_collection(self, collection_name: str) -> None:
            log.append(f"cleared {collection_name}")

        async def delete(self, collection_name: str, filter: dict[str, str]) -> None:
            log.append(f"cleared {collection_name} of {filter}")

    class Loader:
        def load(self) -> None: ...

    class Session:
        async def __aenter__(self) -> None: ...
        async def __aexit__(self, *_error: object) -> None: ...

    class HTTPException(Exception):
        def __init__(self, status_code: int) -> None:
            self.status_code, self.detail = status_code, "not found"

    main.app = types.SimpleNamespace(state=types.SimpleNamespace())
    main.INSTANCE_ID, main.Config = "id", types.SimpleNamespace(get_many=get_many)
    main.start_logger, main.get_redis_client = (lambda: None), (lambda async_mode: None)
    main.Request = lambda scope: types.SimpleNamespace(app=scope["app"])
    files.process_uploaded_file, files._cleanup_local_cache = process, lambda _path: None
    files.HTTPException = HTTPException
    files.Files = types.SimpleNamespace(
        update_file_data_by_id=update_data, update_file_hash_by_id=update_hash, get_file_by_id=get_file
    )
    retrieval.publish_event, retrieval.ASYNC_VECTOR_DB_CLIENT = publish_event, Vectors()
    retrieval.EVENTS = types.SimpleNamespace(RETRIEVAL_CONTENT_PROCESS_FAILED="failed")
    retrieval.index_file, retrieval.get_async_db, retrieval.save_docs_to_vector_db = index, Session, None
    retrieval.ProcessFileForm = types.SimpleNamespace
    loaders.Loader, users.Users = Loader, types.SimpleNamespace(get_user_by_id=get_user)
    return {module.__name__: module for module in modules.values()}


class HelperTest(unittest.TestCase):
    def setUp(self) -> None:
        self.jobs = Jobs(Path(self.enterContext(tempfile.TemporaryDirectory())))
        self.row: dict[str, Any] = {"status": "pending"}
        self.log: list[str] = []
        self.modules = fake_app(self.row, self.log)
        self.loader = self.modules["open_webui.retrieval.loaders.main"].Loader
        self.enterContext(mock.patch.dict(sys.modules, self.modules))
        self.enterContext(mock.patch.object(helper, "wait_for_services"))

    def task(self, kind: Kind = "upload", *, again: bool = False, reason: str = "", content: str = "") -> Task:
        arguments: dict[str, Any] = {"content_type": "a/b", "path": "/f.pdf", "metadata": {"knowledge_id": "k"}}
        if kind == "index":
            arguments = {"content": content, "collection_name": None}
        job = Job(kind, "f", "u", arguments)
        self.jobs.put(job)
        return Task(job, self.jobs, DocumentSettings(1, 64, 600), again, reason)

    def run_in_child(self, task: Task) -> str:
        """The exit code, the file's data and what was done, of a helper in a process of its own."""
        parent = os.getpid()
        preload = Preload("lean", "a test", "0.0.0", Identities(), Descriptors())

        def run() -> str:
            code = run_helper(task, preload, parent, shortcuts=True)
            return f"{code} {self.row.get('status')} {self.row.get('error', '')}|{';'.join(self.log)}"

        return in_child(run)

    def test_processes_an_upload_as_the_app_does(self) -> None:
        self.assertEqual(
            self.run_in_child(self.task()),
            f"{EXIT_DONE} completed |a/b /f.pdf {{'knowledge_id': 'k'}} user",
        )

    def test_clears_what_an_earlier_attempt_has_left(self) -> None:
        answer = self.run_in_child(self.task(again=True))
        self.assertIn("cleared file-f;cleared k of {'file_id': 'f'};a/b", answer)

    def test_too_much_memory_is_a_reason(self) -> None:
        self.loader.load = lambda _self: bytearray(256 * MIB)
        answer = self.run_in_child(self.task())
        self.assertIn("0 failed it needs more than 64 MiB of memory to be processed|", answer)

    def test_writes_down_why_another_helper_ended(self) -> None:
        answer = self.run_in_child(self.task(reason="its process crashed"))
        self.assertEqual(answer, "0 failed its process crashed|hash;failed")

    def test_a_file_whose_end_could_not_be_stored_fails(self) -> None:
        files = self.modules["open_webui.routers.files"]

        async def process(*_arguments: Any) -> None:
            self.row["status"] = "processing"

        files.process_uploaded_file = process
        self.assertIn("0 failed how its processing ended could not be stored", self.run_in_child(self.task()))

    def test_keeps_what_the_app_returned_or_raised_for_the_request(self) -> None:
        for content, result in (
            ("text", {"value": {"content": "text"}}),
            ("bad", {"status": 404, "detail": "not found"}),
        ):
            task = self.task("index", content=content)
            self.assertTrue(self.run_in_child(task).startswith(f"{EXIT_DONE} "))
            self.assertEqual(self.jobs.take_result(task.job), result)
