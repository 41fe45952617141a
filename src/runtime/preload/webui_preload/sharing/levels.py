"""Imports Open WebUI ahead of the forks, as the level says: the app (whole or lean), its libraries, or nothing."""

import ast
import contextlib
import gc
import importlib
import importlib.util
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from ..clock import accept_tokens_of_later
from ..configured import ALL, Configured
from ..installed import open_webui_folder
from ..log import complain
from ..models.local_models import NO_MODELS, LocalModels, share_models
from ..models.offline import start_without_network
from ..shortcuts.quick_import.take import quick_import
from ..shortcuts.requirements import install_missing_alone
from ..shortcuts.take import take_shortcuts
from .descriptors import Descriptors, Open, inspect_descriptors, open_descriptors
from .heap import settle_heap
from .identities import EntropyRecorder, Identities, find_identities
from .telemetry import HeldTelemetry, HoldTelemetryBack
from .threads import unsafe_threads

#: They take half of the app's memory: without them 302 MiB are private, and not 600. Open WebUI imports them inside
#: the functions that use them; before that, only an optional import of langchain_text_splitters brings them in.
HEAVY_LIBRARIES = frozenset({"torch", "transformers", "sentence_transformers"})

#: Levels, from the most that is preloaded to the least. `lean` is `app` without HEAVY_LIBRARIES.
APP, LEAN, LIBRARIES, NONE = "app", "lean", "libraries", "none"
NEXT_LEVEL = {APP: LIBRARIES, LEAN: LIBRARIES, LIBRARIES: NONE}

#: uvicorn, anyio and the compression middleware import these when a server starts or its first request comes: each
#: worker would import them for itself.
_SERVER_PARTS = (
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
    "uvicorn.loops.auto",
    "uvicorn.loops.uvloop",
    "uvicorn.lifespan.on",
    "anyio._backends._asyncio",
    "starlette_compress._brotli",
    "starlette_compress._gzip",
    "starlette_compress._zstd_legacy",
)

#: Open WebUI imports these inside functions: at start-up (socket.apps, subagents, timers) and for the first upload
#: (loaders.main).
_APP_PARTS = (
    "open_webui.socket.apps",
    "open_webui.utils.subagents",
    "open_webui.utils.timers",
    "open_webui.retrieval.loaders.main",
)

#: transformers and torch import these when the first model is loaded, which workers may do for themselves.
_MODEL_PARTS = ("transformers.data", "torch.fx.experimental.symbolic_shapes")


#: What a level may be forked without, where it is not safe with it: the local models, and the warmed caches.
MODELS, WARMTH = "local models", "warmed caches"


class Unsafe(Exception):
    """This level cannot be forked; the text says why. ``part``: it may be without that one (MODELS, WARMTH)."""

    def __init__(self, obstacle: str, part: str = "") -> None:
        super().__init__(obstacle)
        self.part = part


@dataclass(frozen=True)
class Preload:
    """What was imported, and what each child has to renew."""

    level: str
    reason: str
    version: str
    identities: Identities
    descriptors: Descriptors
    #: Names of the local models that are loaded.
    models: frozenset[str] = frozenset()
    #: What the import would have set up, for each worker to do.
    telemetry: HeldTelemetry = field(default_factory=HeldTelemetry)
    #: Whether workers find the app's caches filled.
    is_warm: bool = False

    @property
    def has_app(self) -> bool:
        """Whether ``open_webui.main`` is in memory, its migrations done."""
        return self.level in (APP, LEAN)

    def renew(self) -> None:
        """Renew what this process must not share with others. Call it in the child, right after the fork."""
        self.identities.redraw()
        self.descriptors.cut_connections()


@dataclass(frozen=True)
class AppOptions:
    """What is done about the app so that it works less."""

    #: Whether it is given its shortcuts.
    shortcuts: bool = False
    #: Whether it is asked for what a page asks, so that workers find its caches filled.
    warms: bool = False
    configured: Configured = ALL


AS_IT_IS = AppOptions()


def preload(
    level: str,
    reason: str,
    version: str,
    *,
    models: Callable[[], LocalModels] = lambda: NO_MODELS,
    options: AppOptions = AS_IT_IS,
) -> Preload:
    """Import what ``level`` says. Raises Unsafe, or whatever the import raises.

    The whole app also loads the local ``models``, which are asked for after the import, so that they may arrive
    meanwhile.

    In the end the heap is arranged for the forks (heap.py).
    """
    gc.disable()
    before = open_descriptors()
    holding = HoldTelemetryBack()
    with EntropyRecorder() as recorder, holding:
        if level in (APP, LEAN):
            with _HiddenModules(HEAVY_LIBRARIES if level == LEAN else ()), _sparing(options, torch=level == APP):
                drop_markup(importlib.import_module("open_webui.env"))
                importlib.import_module("open_webui.main")
                _import_where_found(_MODEL_PARTS if "transformers" in sys.modules else ())
        elif level == LIBRARIES:
            _import_libraries(third_party_modules(open_webui_folder()))
        _import_where_found(_SERVER_PARTS + (_APP_PARTS if level in (APP, LEAN) else ()))
        if level in (APP, LEAN):
            adapt_app(importlib.import_module("open_webui.main"), shortcuts=options.shortcuts)
        gc.collect()
        # What comes from here on is collected without a look at all that is there.
        gc.freeze()
        warmed = options.warms and level in (APP, LEAN) and _warm(before)
        shared: list[str] = []
        if level == APP and (here := models()):
            threads = unsafe_threads()
            shared = share_models(here)
            if unsafe_threads() != threads:
                raise Unsafe(_in_words(unsafe_threads()), MODELS)
    gc.collect()
    gc.unfreeze()
    descriptors = inspect_descriptors(before)
    obstacles = unsafe_threads() + descriptors.unsafe + (_rows_kept() if warmed else [])
    # What is safe to fork before it is warmed may be so again.
    part = WARMTH if warmed else ""
    if obstacles:
        raise Unsafe(_in_words(obstacles), part)
    with warnings.catch_warnings():
        # The search touches every object, also deprecated ones, which warn.
        warnings.simplefilter("ignore")
        identities = find_identities(recorder.draws)
    if identities.unreachable:
        raise Unsafe("ids that cannot be renewed: " + _in_words(identities.unreachable), part)
    settle_heap(uncounted=options.shortcuts)
    return Preload(level, reason, version, identities, descriptors, frozenset(shared), holding.held, warmed)


def _sparing(options: AppOptions, *, torch: bool) -> contextlib.AbstractContextManager[None]:
    if not options.shortcuts:
        return contextlib.nullcontext()
    return quick_import(options.configured, torch=torch)


def _warm(before: set[Open]) -> bool:
    """Fill the app's caches, where it is safe to fork. Whether they are filled."""
    # It imports libraries of Open WebUI, which must not be imported before it.
    from .warm import NotWarmed, warm

    if unsafe_threads() or inspect_descriptors(before).unsafe:
        return False
    try:
        warm(importlib.import_module("open_webui.main"))
    except NotWarmed as error:
        complain(f"each worker fills its own caches: {error}")
        return False
    return True


def _rows_kept() -> list[str]:
    from .warm import rows_kept

    return rows_kept()


def adapt_app(main: ModuleType, *, shortcuts: bool) -> None:
    """Change the imported app as each worker needs it, before its engine has a connection."""
    start_without_network(main)
    install_missing_alone(main)
    accept_tokens_of_later()
    if shortcuts:
        take_shortcuts(main.app)


class _HiddenModules:
    """Makes the named packages look as if they were not installed."""

    def __init__(self, names: Sequence[str] | frozenset[str]) -> None:
        self._names = frozenset(names)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] in self._names:
            raise ModuleNotFoundError(f"{fullname} is not preloaded", name=fullname)
        return None

    def __enter__(self) -> None:
        sys.meta_path.insert(0, self)

    def __exit__(self, *exception: object) -> None:
        sys.meta_path.remove(self)


def third_party_modules(package: Path) -> list[str]:
    """Modules of other packages that the files of ``package`` import at their top level, sorted."""
    found: set[str] = set()
    for path in package.rglob("*.py"):
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError):
            continue
        for name in _top_level_imports(tree):
            if name.partition(".")[0] != package.name:
                found.add(name)
    return sorted(found)


def _top_level_imports(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def _import_libraries(names: list[str]) -> None:
    for name in names:
        try:
            importlib.import_module(name)
        except Exception:
            continue


def _import_where_found(names: tuple[str, ...]) -> None:
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            continue  # another version has none; a worker imports what it needs


def drop_markup(module: ModuleType) -> None:
    """Forget the HTML trees that ``module`` has parsed and does not use any more.

    open_webui/env.py parses the whole changelog for its list of changes, and leaves the tree in its globals: some 50
    of the 62 MiB that its import takes (0.12.4). The rest of the import then uses this memory again.
    """
    for name, value in list(vars(module).items()):
        if type(value).__module__.partition(".")[0] == "bs4":
            delattr(module, name)
    gc.collect()


def _in_words(obstacles: list[str]) -> str:
    counted = {obstacle: obstacles.count(obstacle) for obstacle in obstacles}
    return ", ".join(f"{text} (×{count})" if count > 1 else text for text, count in counted.items())
