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

#: Seconds that a start waits for a pack after the import; it is done by then, except on one slow core.
_PATIENCE = 30


@dataclass(frozen=True)
class StaticCache:
    """What a worker answers static files from."""

    pack: Pack
    #: Whether clients may be sent compressed bodies.
    compresses: bool


class StaticPacking:
    """Starts to make the pack, in a process of its own, unless it is there or the user has said no.

    ``cache`` is its folder, None: none is wanted; ``computed`` names the settings whose values are the tuner's.
    """

    def __init__(self, cache: Path | None, environ: Mapping[str, str], computed: Set[str]) -> None:
        self._path: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._compresses = _may_compress(environ, computed)
        if cache is None:
            return
        if _audits_reading(environ):
            say("static files are the app's to answer: ENABLE_AUDIT_GET_REQUESTS is set, and it records them")
            return
        try:
            frontend = _frontend(environ)
            make_run_folder(cache)
            self._path = pack_path(frontend, cache)
            if not self._path.exists():
                arguments = [sys.executable, "-m", "webui_preload.static.pack", str(frontend), str(cache)]
                # No pipe to it: an open descriptor would be taken for one that the app has left behind.
                runtime = Path(__file__).parent.parent
                self._process = subprocess.Popen(arguments, cwd=runtime, stdin=subprocess.DEVNULL)
        except OSError as error:
            _give_up(str(error))
            self._path = None

    def finish(self) -> StaticCache | None:
        """Wait until the pack is there; None where the app answers for itself."""
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


def _audits_reading(environ: Mapping[str, str]) -> bool:
    """Whether the app keeps a record of every file that is asked for (open_webui/utils/audit.py)."""
    level = environ.get("AUDIT_LOG_LEVEL", "NONE").upper()
    return level != "NONE" and environ.get("ENABLE_AUDIT_GET_REQUESTS", "False").lower() == "true"


def _may_compress(environ: Mapping[str, str], computed: Set[str]) -> bool:
    """Whether it is not the user who has turned compression off.

    Where the tuner has, it was to save the CPU, of which compressed files need none.
    """
    name = "ENABLE_COMPRESSION_MIDDLEWARE"
    return environ.get(name, "True").lower() == "true" or name in computed
