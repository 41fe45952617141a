"""Has the static files compressed while the app is imported."""

import subprocess
import sys
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from ..installed import open_webui_folder, source_tree
from ..log import complain, say
from ..run_folder import make_run_folder
from .pack import Pack, PackError, pack_path

#: Seconds that a start waits for the pack after the import. By then it is ready, except on a single slow core.
_PATIENCE = 30


@dataclass(frozen=True)
class StaticCache:
    """What a worker needs to answer static files."""

    pack: Pack
    #: Whether clients may be sent compressed bodies.
    compresses: bool


class StaticPacking:
    """Starts a process that makes the pack, unless the pack is there or not wanted.

    ``cache`` is the folder of the pack; None: no pack is wanted. ``computed`` names the settings that the tuner
    computed.
    """

    def __init__(self, cache: Path | None, environ: Mapping[str, str], computed: Set[str]) -> None:
        self._path: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._compresses = _may_compress(environ, computed)
        if cache is None:
            return
        if audits_reading(environ):
            say("static files are the app's to answer: ENABLE_AUDIT_GET_REQUESTS is set, and it records them")
            return
        try:
            frontend = _frontend(environ)
            make_run_folder(cache)
            self._path = pack_path(frontend, cache)
            if not self._path.exists():
                arguments = [sys.executable, "-m", "webui_preload.static.pack", str(frontend), str(cache)]
                # No pipe to it: it would look like a descriptor that the import left open.
                runtime = Path(__file__).parents[2]
                self._process = subprocess.Popen(arguments, cwd=runtime, stdin=subprocess.DEVNULL)
        except OSError as error:
            _give_up(str(error))
            self._path = None

    def finish(self) -> StaticCache | None:
        """Wait for the pack; None where the app is to answer for the files."""
        if self._path is None:
            return None
        try:
            if self._process and (code := self._process.wait(_PATIENCE)):
                raise PackError(f"static_pack ended with {code}")
            return StaticCache(Pack(self._path), self._compresses)
        except subprocess.TimeoutExpired:
            _give_up("they are not ready yet; they will be at the next start")
        except PackError as error:
            _give_up(str(error))
        return None


def _give_up(reason: str) -> None:
    complain(f"static files are the app's to answer, which is slower: {reason}")


def _frontend(environ: Mapping[str, str]) -> Path:
    """FRONTEND_BUILD_DIR as open_webui/env.py has it (0.12.4)."""
    folder = environ.get("FRONTEND_BUILD_DIR")
    if folder is not None:
        return Path(folder).resolve()
    tree = source_tree()
    return (tree / "build" if tree else open_webui_folder() / "frontend").resolve()


def audits_reading(environ: Mapping[str, str]) -> bool:
    """Whether the app keeps a record of everything that is asked for (open_webui/utils/audit.py)."""
    level = environ.get("AUDIT_LOG_LEVEL", "NONE").upper()
    return level != "NONE" and environ.get("ENABLE_AUDIT_GET_REQUESTS", "False").lower() == "true"


def _may_compress(environ: Mapping[str, str], computed: Set[str]) -> bool:
    """Whether answers may be compressed, as far as the user is concerned.

    Where the tuner turned compression off, it did so to save CPU, and files that are compressed already need none.
    """
    name = "ENABLE_COMPRESSION_MIDDLEWARE"
    return environ.get(name, "True").lower() == "true" or name in computed
