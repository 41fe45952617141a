"""Lets a worker follow the embedding settings that an administrator has changed through another worker.

Open WebUI (0.12.4) stores them for all workers, but applies them in the one that was asked (routers/retrieval.py,
``update_embedding_config``): the others embed with the former model and key, until they are replaced.
"""

import asyncio
import importlib
import inspect
from collections.abc import Callable
from typing import Any

from ..contract import Apps
from ..log import complain, say

#: Seconds between two looks at what is stored. Each is one query.
INTERVAL = 3.0

_NAME = "get_embedding_function"

#: Rows of the config table, by the parameter of ``get_embedding_function`` (main.py, lifespan).
_ROWS = {
    "embedding_engine": "rag.embedding_engine",
    "embedding_model": "rag.embedding_model",
    "embedding_batch_size": "rag.embedding_batch_size",
    "enable_async": "rag.enable_async_embedding",
    "concurrent_requests": "rag.embedding_concurrent_requests",
}

#: Those of the engines: their address and key, and the version of Azure's interface.
_ENGINES = {
    "openai": {"url": "rag.openai.api_base_url", "key": "rag.openai.api_key"},
    "ollama": {"url": "rag.ollama.base_url", "key": "rag.ollama.api_key"},
    "azure_openai": {
        "url": "rag.azure_openai.base_url",
        "key": "rag.azure_openai.api_key",
        "azure_api_version": "rag.azure_openai.api_version",
    },
}

#: What the function must take to be the one that is known.
_PARAMETERS = {"embedding_function", *_ROWS, *_ENGINES["azure_openai"]}

Settings = dict[str, Any]


def follow_embedding_settings(main: Any) -> "Callable[[], object]":
    """Call it before the app starts; what it returns, on the event loop. ``main``: the module open_webui.main."""
    make = getattr(main, _NAME, None)
    if make is None or not inspect.signature(make).parameters.keys() >= _PARAMETERS:
        return lambda: None  # another version
    return EmbeddingSettings(main).start


class EmbeddingSettings:
    """Notes with which settings the app makes its embedding function: make it before the app starts."""

    def __init__(self, main: Any) -> None:
        self._main = main
        self._make: Callable[..., Any] = getattr(main, _NAME)
        self._applied: Settings | None = None
        self._seen: Settings | None = None
        router = importlib.import_module("open_webui.routers.retrieval")
        for module in (main, router):
            setattr(module, _NAME, self._noting)

    def start(self) -> "asyncio.Task[None]":
        return asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        rows = sorted({*_ROWS.values(), *(row for engine in _ENGINES.values() for row in engine.values())})
        config = importlib.import_module("open_webui.models.config").Config
        while True:
            await asyncio.sleep(INTERVAL)
            try:
                self.follow(await config.get_many(*rows))
            except Exception as error:
                # While the database is away, the watch says so.
                if not isinstance(error, importlib.import_module("sqlalchemy.exc").SQLAlchemyError):
                    complain(f"the embedding settings are not followed any more: {error!r}")
                    return

    def follow(self, stored: Settings) -> None:
        """Apply what is stored, once it was seen twice: an update is first applied in its own worker, then stored."""
        wanted, before = _wanted(stored), self._seen
        self._seen = wanted
        if wanted in (self._applied, None) or wanted != before:
            return
        self._applied = wanted
        if wanted["embedding_engine"] not in _ENGINES:
            complain(f"documents are to be embedded by a local model, which a start loads: pm2 reload {Apps.CLUSTER}")
            return
        state = self._main.app.state
        state.ef = None
        state.EMBEDDING_FUNCTION = self._make(**wanted, embedding_function=None)
        say(f"the embedding settings were changed: {wanted['embedding_engine']}, {wanted['embedding_model']}")

    def _noting(self, *args: Any, **kwargs: Any) -> Any:
        bound = inspect.signature(self._make).bind(*args, **kwargs)
        bound.apply_defaults()
        self._applied = {name: value for name, value in bound.arguments.items() if name != "embedding_function"}
        return self._make(*args, **kwargs)


def _wanted(stored: Settings) -> Settings:
    """The parameters of ``get_embedding_function`` that Open WebUI would use at a start."""
    engine = stored.get("rag.embedding_engine")
    own = _ENGINES.get(engine or "", _ENGINES["azure_openai"])
    wanted = {name: stored.get(row) for name, row in (_ROWS | own).items()}
    return wanted | {"azure_api_version": wanted.get("azure_api_version") if engine == "azure_openai" else None}
