"""In a worker: puts what hands documents over in the place of the app's functions that process them."""

import importlib
import inspect
from typing import Any

from ..log import complain, say
from .client import Handover, Lost
from .jobs import Job

#: The functions that are replaced, and the parameters that they have to have (0.12.4).
_UPLOAD = ("request", "file", "file_path", "file_item", "file_metadata", "user", "db")
_INDEX = ("request", "form_data", "user", "db")


def take_documents_out(handover: Handover, shared_models: frozenset[str]) -> bool:
    """Hand documents over from now on; False, and a line, where the app is not the one that this was made for."""
    files: Any = importlib.import_module("open_webui.routers.files")
    retrieval: Any = importlib.import_module("open_webui.routers.retrieval")
    try:
        known = [
            (files.process_uploaded_file, _UPLOAD),
            (retrieval.index_file, _INDEX),
        ]
        fits = all(tuple(inspect.signature(function).parameters) == names for function, names in known)
        fits = fits and callable(files.strict_match_mime_type) and callable(files._cleanup_local_cache)
    except AttributeError:
        fits = False
    if not fits:
        complain("documents are processed in the workers: this Open WebUI does so in a way that is not known")
        return False
    outside = _Outside(files, retrieval, handover, shared_models)
    files.process_uploaded_file = outside.process_uploaded_file
    retrieval.index_file = outside.index_file
    return True


class _Outside:
    """The app's functions, whose work is done elsewhere."""

    def __init__(self, files: Any, retrieval: Any, handover: Handover, shared_models: frozenset[str]) -> None:
        self._files = files
        self._retrieval = retrieval
        self._handover = handover
        self._shared_models = shared_models
        self._upload_here = files.process_uploaded_file
        self._index_here = retrieval.index_file
        self._said: set[str] = set()

    async def process_uploaded_file(  # noqa: PLR0913 (the app calls it)
        self, request: Any, file: Any, file_path: Any, file_item: Any, file_metadata: Any, user: Any, db: Any = None
    ) -> None:
        if await self._stays(file.content_type):
            await self._upload_here(request, file, file_path, file_item, file_metadata, user, db)
            return
        if db is not None:
            await db.commit()  # as the app does before what takes long: the connection is others' meanwhile
        arguments = {"content_type": file.content_type, "path": file_path, "metadata": file_metadata}
        job = Job("upload", file_item.id, user.id, arguments)
        model = self._files.Files
        has_told = False

        async def tell(place: int) -> None:
            nonlocal has_told
            if place or has_told:
                has_told = True
                await model.update_file_data_by_id(job.file_id, {"status": "pending", "place": place or None})

        try:
            # Who does not wait for an answer watches the file's status, wherever it is processed.
            await self._handover.run(job, tell, may_leave=db is None)
        except Exception as error:
            reason = f"it cannot be handed over to be processed: {error}"
            await model.update_file_data_by_id(job.file_id, {"status": "failed", "error": reason})
            self._files._cleanup_local_cache(file_path)
        if db is not None:
            db.expire_all()  # another process has changed what it remembers

    async def index_file(self, request: Any, form_data: Any, user: Any, db: Any) -> Any:
        if await self._stays(""):
            return await self._index_here(request, form_data, user, db)
        await db.commit()
        arguments = {"content": form_data.content, "collection_name": form_data.collection_name}
        job = Job("index", form_data.file_id, user.id, arguments)
        try:
            reason = await self._handover.run(job, _tell_nobody, may_leave=False)
        except (OSError, Lost) as error:
            reason = str(error)
        db.expire_all()
        result = self._handover.result(job) or {}
        if "value" in result:
            return result["value"]
        detail = result.get("detail") or reason or "its end is not known; try again"
        if not result:
            await self._files.Files.update_file_data_by_id(job.file_id, {"status": "failed", "error": detail})
            await self._files.Files.update_file_hash_by_id(job.file_id, None)
        raise self._files.HTTPException(status_code=result.get("status", 400), detail=detail)

    async def _stays(self, content_type: str | None) -> bool:
        """Whether the document needs what only this worker has."""
        config = await self._files.Config.get_many(
            "audio.stt.supported_content_types",
            "rag.embedding_engine",
            "rag.embedding_model",
            "rag.bypass_embedding_and_retrieval",
        )
        sound = config.get("audio.stt.supported_content_types") or []
        if content_type and self._files.strict_match_mime_type(sound, content_type):
            self._say_once("sound is transcribed in the worker, which has the model for it")
            return True
        model = config.get("rag.embedding_model")
        embeds = not config.get("rag.bypass_embedding_and_retrieval")
        if embeds and config.get("rag.embedding_engine") == "" and model not in self._shared_models:
            self._say_once(
                f"documents are processed in the worker: the preload process does not have {model}. It takes it at "
                "its next start (pm2 restart open-webui-preload)"
            )
            return True
        return False

    def _say_once(self, message: str) -> None:
        if message not in self._said:
            self._said.add(message)
            say(message)


async def _tell_nobody(_place: int) -> None:
    pass
