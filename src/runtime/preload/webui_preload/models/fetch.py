"""A program: fetches models into the Hugging Face cache, and tells its parent how it goes.

    python -m webui_preload.models.fetch DESCRIPTOR REACH_SECONDS STALL_SECONDS MODEL…

Its parent reads lines of JSON from the descriptor: `reached` once the hub has listed the files of a model, then
`done` with the outcome for each model, which is empty or says why it could not be fetched. Progress goes to the log.

The kernel ends this program (SIGALRM) when the hub has not answered within REACH_SECONDS, including name look-up and
TLS, and when nothing has come for STALL_SECONDS. Files and parts of files are kept, and the next run resumes there.
`refs/main` is written last, so that nobody takes an unfinished model for a whole one.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..kernel import end_with_parent
from .cache import current_snapshot, is_whole, repository_of, storage_folder
from .hub import CannotFetch, Hub, NotGiven, Snapshot


def fetch_models(models: list[str], hub: Hub, tell: Callable[[dict[str, Any]], None]) -> None:
    """Bring ``models`` up to date, one after the other, and report to ``tell``."""
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
    """Folder of the snapshot in the cache; None where it is missing, or not whole."""
    folder = storage_folder(snapshot.repository, os.environ) / "snapshots" / snapshot.revision
    return folder if folder.is_dir() and is_whole(folder, os.environ) else None


def main(arguments: list[str]) -> None:
    """Run the program; the arguments are those that the module names."""
    descriptor, reach, stall, *models = arguments
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(int(reach))
    end_with_parent(signal.SIGKILL)
    with open(int(descriptor), "w") as parent:

        def tell(frame: dict[str, Any]) -> None:
            parent.write(json.dumps(frame) + "\n")
            parent.flush()

        try:
            hub = Hub(os.environ, int(stall))
        except (ValueError, ImportError) as error:
            # A proxy variable that cannot be used, or needs a package that is not there.
            tell({"type": "done", "reasons": dict.fromkeys(models, f"the settings of a proxy: {error}")})
            return
        fetch_models(models, hub, tell)


if __name__ == "__main__":
    main(sys.argv[1:])
