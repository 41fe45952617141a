import sys
import types
import unittest
from typing import Any
from unittest import mock

from webui_preload.documents import take_out
from webui_preload.documents.client import Lost


class HTTPError(Exception):
    def __init__(self, status_code: int, detail: str) -> None:
        super().__init__(detail)
        self.status_code = status_code
        self.detail = detail


def module(name: str) -> Any:
    return types.ModuleType(name)


class FakeHandover:
    def __init__(self) -> None:
        self.jobs: list[Any] = []
        self.reason: str | Exception = ""
        self.places: tuple[int, ...] = ()
        self.outcome: dict[str, Any] | None = None
        self.may_leave: bool | None = None

    async def run(self, job: Any, on_place: Any, *, may_leave: bool) -> str:
        self.jobs.append(job)
        self.may_leave = may_leave
        for place in self.places:
            await on_place(place)
        if isinstance(self.reason, Exception):
            raise self.reason
        return self.reason

    def result(self, _job: Any) -> dict[str, Any] | None:
        return self.outcome


class TakeOutTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self) -> None:
        self.config = {"rag.embedding_engine": "openai", "audio.stt.supported_content_types": ["audio/*"]}
        self.rows: list[tuple[str, dict[str, Any]]] = []
        self.hashes: list[str] = []
        self.here: list[str] = []
        self.files = module("open_webui.routers.files")
        self.retrieval = module("open_webui.routers.retrieval")

        async def process_uploaded_file(  # noqa: PLR0913 (as the app has it)
            request: Any, file: Any, file_path: Any, file_item: Any, file_metadata: Any, user: Any, db: Any = None
        ) -> None:
            self.here.append("upload")

        async def index_file(request: Any, form_data: Any, user: Any, db: Any) -> dict[str, Any]:
            self.here.append("index")
            return {"status": True}

        async def update_data(file_id: str, data: dict[str, Any]) -> None:
            self.rows.append((file_id, data))

        async def update_hash(file_id: str, _hash: None) -> None:
            self.hashes.append(file_id)

        async def get_many(*names: str) -> dict[str, Any]:
            return {name: self.config.get(name) for name in names}

        self.files.process_uploaded_file = process_uploaded_file
        self.files.strict_match_mime_type = lambda _supported, kind: kind.startswith("audio/")
        self.files._cleanup_local_cache = mock.Mock()
        self.files.Files = types.SimpleNamespace(
            update_file_data_by_id=update_data, update_file_hash_by_id=update_hash
        )
        self.files.Config = types.SimpleNamespace(get_many=get_many)
        self.files.HTTPException = HTTPError
        self.retrieval.index_file = index_file
        self.enterContext(mock.patch.dict(sys.modules, {m.__name__: m for m in (self.files, self.retrieval)}))
        self.said = self.enterContext(mock.patch.object(take_out, "say"))
        self.handover = FakeHandover()
        self.take_out(frozenset({"model"}))

    def take_out(self, models: frozenset[str]) -> None:
        handover: Any = self.handover
        self.assertTrue(take_out.take_documents_out(handover, models))

    async def upload(self, content_type: str = "application/pdf", db: Any = None) -> None:
        file = types.SimpleNamespace(content_type=content_type)
        item, user = types.SimpleNamespace(id="f"), types.SimpleNamespace(id="u")
        await self.files.process_uploaded_file(None, file, "/f.pdf", item, {"knowledge_id": "k"}, user, db=db)

    async def index(self) -> Any:
        form = types.SimpleNamespace(file_id="f", content="text", collection_name=None)
        db = types.SimpleNamespace(commit=mock.AsyncMock(), expire_all=mock.Mock())
        result = await self.retrieval.index_file(None, form, types.SimpleNamespace(id="u"), db)
        db.commit.assert_awaited_once()
        db.expire_all.assert_called_once()
        return result

    async def test_hands_an_upload_over_with_all_that_its_end_takes(self) -> None:
        await self.upload()
        (job,) = self.handover.jobs
        self.assertEqual((job.kind, job.file_id, job.user_id), ("upload", "f", "u"))
        self.assertEqual(
            job.arguments, {"content_type": "application/pdf", "path": "/f.pdf", "metadata": {"knowledge_id": "k"}}
        )
        self.assertEqual((self.rows, self.handover.may_leave), ([], True))

    async def test_shows_the_place_while_others_are_before_it(self) -> None:
        self.handover.places = (2, 1, 0)
        await self.upload()
        self.assertEqual(self.rows, [("f", {"status": "pending", "place": place}) for place in (2, 1, None)])

    async def test_does_not_leave_while_a_request_waits_for_the_upload(self) -> None:
        db = types.SimpleNamespace(commit=mock.AsyncMock(), expire_all=mock.Mock())
        await self.upload(db=db)
        self.assertFalse(self.handover.may_leave)

    async def test_a_full_disk_fails_the_file_with_its_reason(self) -> None:
        self.handover.reason = OSError(28, "No space left on device")
        await self.upload()
        ((_, data),) = self.rows
        self.assertEqual(data["status"], "failed")
        self.assertIn("No space left on device", data["error"])

    async def test_sound_and_models_that_are_not_shared_stay_and_are_said_once(self) -> None:
        await self.upload("audio/wav")
        self.config |= {"rag.embedding_engine": "", "rag.embedding_model": "another"}
        await self.upload()
        await self.upload()
        self.assertEqual((self.here, self.handover.jobs), (["upload"] * 3, []))
        self.assertEqual(self.said.call_count, 2)
        self.config["rag.embedding_model"] = "model"
        await self.upload()
        self.assertEqual(len(self.handover.jobs), 1)

    async def test_a_request_gets_what_the_app_returned(self) -> None:
        self.handover.outcome = {"value": {"status": True, "content": "text"}}
        self.assertEqual(await self.index(), {"status": True, "content": "text"})

    async def test_a_request_gets_what_the_app_raised(self) -> None:
        self.handover.outcome = {"status": 404, "detail": "not found"}
        with self.assertRaises(HTTPError) as raised:
            await self.index()
        self.assertEqual((raised.exception.status_code, raised.exception.detail), (404, "not found"))
        self.assertEqual(self.rows, [])

    async def test_a_request_gets_the_reason_where_the_helper_died_and_so_does_the_file(self) -> None:
        for reason in ("its process crashed (SIGSEGV)", Lost("nobody")):
            self.rows.clear()
            self.handover.reason = reason
            with self.assertRaises(HTTPError) as raised:
                await self.index()
            self.assertEqual(raised.exception.detail, str(reason))
            self.assertEqual(self.rows, [("f", {"status": "failed", "error": str(reason)})])

    def test_another_open_webui_is_left_as_it_is(self) -> None:
        def process_uploaded_file(request: Any, upload: Any) -> None: ...

        self.files.process_uploaded_file = process_uploaded_file
        handover: Any = self.handover
        with mock.patch.object(take_out, "complain") as complain:
            self.assertFalse(take_out.take_documents_out(handover, frozenset()))
        complain.assert_called_once()
        self.assertIs(self.files.process_uploaded_file, process_uploaded_file)
