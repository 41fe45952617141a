"""What a forked helper does: the app's own functions for one document, with nothing of a worker around them."""

import asyncio
import gc
import importlib
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from ..contract import DOCUMENT_PROCESS
from ..kernel import name_process
from ..log import set_role
from ..services.wait import wait_for_services
from ..settings import DocumentSettings
from ..sharing.levels import Preload
from ..shortcuts.no_proxy import spare_environment
from . import limits
from .jobs import Job, Jobs

#: Exit codes: the job has its end, be it a failure; a defect.
EXIT_DONE, EXIT_DEFECT = 0, 70

#: Seconds for what the app does about a document beside it: events for webhooks and functions.
LAST_TASKS_SECONDS = 60

_ENDED = ("completed", "failed")


@dataclass(frozen=True)
class Task:
    """A job, and how to run it."""

    job: Job
    jobs: Jobs
    settings: DocumentSettings
    #: Whether it has begun before, and may have left something.
    is_again: bool
    #: Why the file is to be marked as failed; empty: it is to be processed.
    reason: str


def run_helper(task: Task, preload: Preload, parent: int, *, shortcuts: bool) -> int:
    """Process the document of ``task``; the exit code. For a child that was just forked by ``parent``."""
    try:
        os.setsid()
        if not limits.end_with(parent):
            return EXIT_DEFECT
        name_process(DOCUMENT_PROCESS)
        limits.come_last()
        set_role(f"document {os.getpid()}")
        preload.renew()
        gc.enable()
        limits.limit_memory(task.settings.memory_mib)
        if shortcuts:
            spare_environment()
        asyncio.run(_run(task))
        return EXIT_DONE
    except BaseException:
        traceback.print_exc()
        return EXIT_DEFECT
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


async def _run(task: Task) -> None:
    job = task.job
    app = _App(await _ready_app())
    user = await app.users.get_user_by_id(job.user_id)
    _limit(app, task.settings)
    if task.reason or user is None:
        await app.fail(job, user, task.reason or "who uploaded it has no account any more")
    elif job.kind == "upload":
        await _upload(app, task, user)
    else:
        task.jobs.put_result(job, await _index(app, job, user))
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=LAST_TASKS_SECONDS)


async def _upload(app: "_App", task: Task, user: Any) -> None:
    job = task.job
    if task.is_again:
        await _clear(app, job)
    file = await app.file_model.get_file_by_id(job.file_id)
    if file is None:
        return  # deleted meanwhile
    content_type, path, metadata = (job.arguments[name] for name in ("content_type", "path", "metadata"))
    upload = SimpleNamespace(content_type=content_type)
    await app.files.process_uploaded_file(app.request, upload, path, file, metadata, user)
    # Its last word may have come to nothing while the database was away.
    await asyncio.to_thread(wait_for_services, os.environ)
    file = await app.file_model.get_file_by_id(job.file_id)
    if file and (file.data or {}).get("status") not in _ENDED:
        await app.fail(job, user, "how its processing ended could not be stored; upload it again")


async def _clear(app: "_App", job: Job) -> None:
    """Vectors that an earlier attempt has left: the app would take them for all of them."""
    await asyncio.to_thread(wait_for_services, os.environ)
    vectors = app.retrieval.ASYNC_VECTOR_DB_CLIENT
    if await vectors.has_collection(collection_name=f"file-{job.file_id}"):
        await vectors.delete_collection(collection_name=f"file-{job.file_id}")
    knowledge = job.arguments["metadata"].get("knowledge_id")
    if knowledge and await vectors.has_collection(collection_name=knowledge):
        await vectors.delete(collection_name=knowledge, filter={"file_id": job.file_id})


async def _index(app: "_App", job: Job, user: Any) -> dict[str, Any]:
    form = app.retrieval.ProcessFileForm(file_id=job.file_id, **job.arguments)
    try:
        async with app.retrieval.get_async_db() as session:
            return {"value": await app.retrieval.index_file(app.request, form, user, session)}
    except Exception as error:
        return {"status": getattr(error, "status_code", 400), "detail": str(getattr(error, "detail", error))}


class _App:
    """The modules of the app that are used here, and a request as its functions take one."""

    def __init__(self, main: Any) -> None:
        self.files: Any = importlib.import_module("open_webui.routers.files")
        self.retrieval: Any = importlib.import_module("open_webui.routers.retrieval")
        self.loaders: Any = importlib.import_module("open_webui.retrieval.loaders.main")
        self.users: Any = importlib.import_module("open_webui.models.users").Users
        self.file_model = self.files.Files
        scope = {"type": "http", "method": "POST", "path": "/internal", "query_string": b"", "headers": []}
        self.request = main.Request({**scope, "app": main.app})

    async def fail(self, job: Job, user: Any, reason: str) -> None:
        """As the app itself does where it catches what went wrong (routers/retrieval.py, index_file, 0.12.4)."""
        await asyncio.to_thread(wait_for_services, os.environ)
        await self.file_model.update_file_data_by_id(job.file_id, {"status": "failed", "error": reason})
        await self.file_model.update_file_hash_by_id(job.file_id, None)
        if path := job.arguments.get("path"):
            self.files._cleanup_local_cache(path)
        file = await self.file_model.get_file_by_id(job.file_id)
        if file:
            await self.retrieval.publish_event(
                self.request,
                self.retrieval.EVENTS.RETRIEVAL_CONTENT_PROCESS_FAILED,
                actor=user,
                subject_id=file.id,
                subject_type="file",
                data={"collection_name": None, "filename": file.filename, "message": f"{file.filename}: {reason}"},
            )


async def _ready_app() -> Any:
    """The module open_webui.main, whose start-up has not run: what documents need of it is made here."""
    main: Any = importlib.import_module("open_webui.main")
    main.start_logger()
    state = main.app.state
    state.instance_id = main.INSTANCE_ID
    state.main_loop = asyncio.get_running_loop()
    state.redis = main.get_redis_client(async_mode=True)
    config = await main.Config.get_many("rag.embedding_engine", "rag.embedding_model")
    engine, model = config.get("rag.embedding_engine"), config.get("rag.embedding_model")
    # Shared by the preload process, where a worker has handed this over (take_out.py).
    state.ef = main.get_ef(engine, model) if engine == "" else None
    return main


def _limit(app: _App, settings: DocumentSettings) -> None:
    """Bound what reads a file, which is others' work; and tell in words where memory was not enough."""
    app.loaders.Loader.load = _with_words(app.loaders.Loader.load, settings, settings.seconds)
    app.retrieval.save_docs_to_vector_db = _with_words(app.retrieval.save_docs_to_vector_db, settings, None)


def _with_words(function: Callable[..., Any], settings: DocumentSettings, seconds: int | None) -> Callable[..., Any]:
    def run(*arguments: Any, **named: Any) -> Any:
        try:
            if seconds is None:
                return function(*arguments, **named)
            with limits.limited_cpu(seconds):
                return function(*arguments, **named)
        except MemoryError:
            limits.lift_memory_limit()
            raise ValueError(f"it needs more than {settings.memory_mib} MiB of memory to be processed") from None

    return run
