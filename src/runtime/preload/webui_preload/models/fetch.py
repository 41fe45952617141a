"""A program: fetches models into the Hugging Face cache, and tells its parent how it goes.

    python -m webui_preload.models.fetch DESCRIPTOR REACH_SECONDS STALL_SECONDS MODEL…

Its parent reads lines of JSON from the descriptor: `reached` once the hub has said what the models are made of, then
`done` with the outcome of each model: empty, or why it could not be had. Progress goes to the log.

The kernel ends this program (SIGALRM) when the hub has not answered after REACH_SECONDS, name look-up and TLS
included, and when nothing has come for STALL_SECONDS. What has come by then is kept, and the next run resumes there.
`refs/main` is written last: until then nobody takes what is there for a model.
"""

import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .cache import current_snapshot, is_whole, repository_of, storage_folder
from .hub import CannotFetch, Hub, NotGiven, Snapshot

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def _leave_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def fetch_models(models: list[str], hub: Hub, tell: Callable[[dict[str, Any]], None]) -> None:
    """Bring ``models`` up to date, one after the other; ``tell`` hears how it goes."""
    reasons = dict.fromkeys(models, "")
    found: dict[str, Snapshot] = {}
    is_reached = False
    for model in models:
        try:
            found[model] = hub.look_up(repository_of(model))
            is_reached = True
        except CannotFetch as error:
            reasons[model] = str(error)
            is_reached |= isinstance(error, NotGiven)
    if is_reached:
        tell({"type": "reached"})
    for model, snapshot in found.items():
        try:
            whole = _whole(snapshot)
            if not whole or current_snapshot(snapshot.repository, os.environ) != whole:
                hub.fetch(snapshot)
        except CannotFetch as error:
            reasons[model] = str(error)
        except OSError as error:
            reasons[model] = f"it cannot be kept in {error.filename or 'the cache'}: {error.strerror}"
    tell({"type": "done", "reasons": reasons})


def _whole(snapshot: Snapshot) -> Path | None:
    """Its folder in the cache; None where it is not there, or in part."""
    folder = storage_folder(snapshot.repository, os.environ) / "snapshots" / snapshot.revision
    return folder if folder.is_dir() and is_whole(folder, os.environ) else None


def main(arguments: list[str]) -> None:
    """As the module says."""
    descriptor, reach, stall, *models = arguments
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(int(reach))
    _leave_with_parent()
    with open(int(descriptor), "w") as parent:

        def tell(frame: dict[str, Any]) -> None:
            parent.write(json.dumps(frame) + "\n")
            parent.flush()

        try:
            hub = Hub(os.environ, int(stall))
        except (ValueError, ImportError) as error:
            # A proxy variable that cannot be used, or one of a kind that needs a further package.
            tell({"type": "done", "reasons": dict.fromkeys(models, f"the settings of a proxy: {error}")})
            return
        fetch_models(models, hub, tell)


if __name__ == "__main__":
    main(sys.argv[1:])
