"""How much of Open WebUI is imported ahead of the forks: the app (whole or lean), its libraries, or nothing."""

import ast
import ctypes
import gc
import importlib
import importlib.util
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from ..installed import open_webui_folder
from ..models.local_models import NO_MODELS, LocalModels, share_models
from ..models.offline import start_without_network
from ..shortcuts.requirements import install_missing_alone
from ..shortcuts.take import take_shortcuts
from .descriptors import Descriptors, inspect_descriptors, open_descriptors
from .identities import EntropyRecorder, Identities, find_identities
from .threads import unsafe_threads

#: Half of the app's memory (600 → 302 MiB private). Open WebUI imports them inside the functions that use them;
#: ahead of that they only come in through an optional import of langchain_text_splitters.
HEAVY_LIBRARIES = frozenset({"torch", "transformers", "sentence_transformers"})

#: From most to least that is preloaded. `lean` is `app` without HEAVY_LIBRARIES.
APP, LEAN, LIBRARIES, NONE = "app", "lean", "libraries", "none"
NEXT_LEVEL = {APP: LIBRARIES, LEAN: LIBRARIES, LIBRARIES: NONE}

#: Picked by uvicorn, anyio and the compression middleware when a server starts or a first request comes; every
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

#: Imported by Open WebUI inside of functions: at start-up (socket.apps, subagents, timers) and for the first
#: upload (loaders.main).
_APP_PARTS = (
    "open_webui.socket.apps",
    "open_webui.utils.subagents",
    "open_webui.utils.timers",
    "open_webui.retrieval.loaders.main",
)


class Unsafe(Exception):
    """This level cannot be forked; the text says what stands in the way.

    ``models``: without the local models it can be.
    """

    def __init__(self, obstacle: str, *, models: bool = False) -> None:
        super().__init__(obstacle)
        self.models = models


@dataclass(frozen=True)
class Preload:
    """What was imported, and what each child has to renew."""

    level: str
    reason: str
    version: str
    identities: Identities
    descriptors: Descriptors

    @property
    def has_app(self) -> bool:
        """Whether ``open_webui.main`` is in memory, its migrations done."""
        return self.level in (APP, LEAN)

    def renew(self) -> None:
        """Make this process one of its own; for the child, right after the fork."""
        self.identities.redraw()
        self.descriptors.cut_connections()


def preload(
    level: str,
    reason: str,
    version: str,
    *,
    models: Callable[[], LocalModels] = lambda: NO_MODELS,
    shortcuts: bool = False,
) -> Preload:
    """Import what ``level`` says; raises Unsafe, or whatever the import raises.

    Where that is the app, it is given its shortcuts, and where it is the whole app, the local ``models``: those that
    are on this machine once the app is imported.

    The heap is frozen afterwards: a collection in a child would otherwise write to every object, and with it
    un-share nearly every page (gunicorn's preload grows from 1,181 to 1,837 MiB that way).
    """
    gc.disable()
    before = open_descriptors()
    with EntropyRecorder() as recorder:
        if level in (APP, LEAN):
            with _HiddenModules(HEAVY_LIBRARIES if level == LEAN else ()):
                drop_markup(importlib.import_module("open_webui.env"))
                importlib.import_module("open_webui.main")
        elif level == LIBRARIES:
            _import_libraries(third_party_modules(open_webui_folder()))
        _import_where_found(_SERVER_PARTS + (_APP_PARTS if level in (APP, LEAN) else ()))
        if level in (APP, LEAN):
            main = importlib.import_module("open_webui.main")
            start_without_network(main)
            install_missing_alone(main)
            if shortcuts:
                take_shortcuts(main.app)
        if level == APP and (here := models()):
            threads = unsafe_threads()
            share_models(here)
            if unsafe_threads() != threads:
                raise Unsafe(_in_words(unsafe_threads()), models=True)
    descriptors = inspect_descriptors(before)
    obstacles = unsafe_threads() + descriptors.unsafe
    if obstacles:
        raise Unsafe(_in_words(obstacles))
    gc.collect()
    with warnings.catch_warnings():
        # The search touches every object, deprecated ones too.
        warnings.simplefilter("ignore")
        identities = find_identities(recorder.draws)
    if identities.unreachable:
        raise Unsafe("ids that cannot be renewed: " + _in_words(identities.unreachable))
    gc.collect()
    give_back_free_memory()
    fill_free_blocks()
    gc.freeze()
    return Preload(level, reason, version, identities, descriptors)


#: Bytes of the largest object that pymalloc serves, the step between its size classes, and its pool
#: (Objects/obmalloc.c: SMALL_REQUEST_THRESHOLD, ALIGNMENT, POOL_SIZE; 3.10 and later).
_LARGEST_SMALL, _SIZE_STEP, _POOL = 512, 16, 16 * 1024
_BYTES_OVERHEAD = sys.getsizeof(b"")

#: Keeps what fill_free_blocks() made.
_fillers: list[object] = []


def fill_free_blocks() -> None:
    """Occupy the free blocks that the import left between its objects.

    Python takes a new object's memory from pages that are partly in use first. In a forked child each such page
    is shared, and one small object copies all of it; with no free block left, a child's objects lie close
    together on pages of their own.
    """
    for size in range(_SIZE_STEP, _LARGEST_SMALL + 1, _SIZE_STEP):
        taken: dict[int, int] = {}
        pool = 0
        # A pool that gives nearly all of its blocks was a fresh one: those in partial use are full now.
        while taken.get(pool, 0) < 0.9 * _POOL / size:
            filler = _object_of(size)
            pool = id(filler) // _POOL
            taken[pool] = taken.get(pool, 0) + 1
            _fillers.append(filler)


def _object_of(size: int) -> object:
    """An object that takes a block of ``size`` bytes and is not tracked by the collector."""
    if size == _SIZE_STEP:
        return object()
    if size == 2 * _SIZE_STEP:
        return 0.5 + id(size)  # a float: 24 bytes
    return bytes(size - _BYTES_OVERHEAD)


class _HiddenModules:
    """While active, the named packages seem not to be installed."""

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
    """Modules outside of the package that its files import at their top level, sorted."""
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
            continue  # of another version; a worker imports what it needs


def drop_markup(module: ModuleType) -> None:
    """Forget the HTML trees that ``module`` has parsed and keeps for no further use.

    open_webui/env.py makes its list of changes from the whole changelog, and leaves the tree behind in its
    globals: some 50 MiB of the 62 MiB that importing it takes (0.12.4). Given back at once, they hold the rest
    of the import.
    """
    for name, value in list(vars(module).items()):
        if type(value).__module__.partition(".")[0] == "bs4":
            delattr(module, name)
    gc.collect()


def give_back_free_memory() -> None:
    """Return the C library's free pages to the system; a child would copy them to use them."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's alone
    if trim:
        trim(0)


def _in_words(obstacles: list[str]) -> str:
    counted = {obstacle: obstacles.count(obstacle) for obstacle in obstacles}
    return ", ".join(f"{text} (×{count})" if count > 1 else text for text, count in counted.items())
