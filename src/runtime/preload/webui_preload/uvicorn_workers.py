"""What uvicorn's own workers lack (``serve.py``), by its own means: uvicorn/supervisors/multiprocess.py (0.54.0).

* One worker starts alone and the others once it serves. All at once fill the ``config`` table together on an empty
  database or after an upgrade; one fails there ("config_pkey1"), and uvicorn then stops all of them with exit code 0.
* Each has a STATIC_DIR of its own, which Open WebUI empties and refills at every import.
* None outlives its parent: uvicorn's workers would go on and keep the port, which the next start could not have then.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from multiprocessing.context import SpawnProcess
from pathlib import Path
from socket import socket

from uvicorn.config import STARTUP_FAILURE
from uvicorn.server import Server
from uvicorn.supervisors import multiprocess

from .models.offline import start_without_network


class StaticFolders:
    """One folder for each living worker; that of one which ended goes to its successor."""

    def __init__(self, parent: Path) -> None:
        self._parent = parent
        self._users: list[Callable[[], bool]] = []

    def take(self, is_alive: Callable[[], bool]) -> Path:
        """A folder that no living worker has, for the one that ``is_alive`` tells about."""
        free = (number for number, is_used in enumerate(self._users) if not is_used())
        number = next(free, len(self._users))
        self._users[number : number + 1] = [is_alive]
        return self._parent / str(number)


class OneFirst(multiprocess.Multiprocess):
    """uvicorn's supervisor, which starts one worker, and the others once that one serves."""

    is_complete = False

    def init_processes(self) -> None:
        self.processes_num = 1
        super().init_processes()

    def keep_subprocess_alive(self) -> None:
        super().keep_subprocess_alive()
        if self.is_complete or self.should_exit.is_set() or not self.processes[0].is_ready():
            return
        self.is_complete = True
        while self.processes_num < self.config.workers:
            self.handle_ttin()

    def run(self) -> None:
        super().run()
        if any(process.exitcode == STARTUP_FAILURE for process in self.processes):
            sys.exit(STARTUP_FAILURE)  # uvicorn itself ends with 0, as if it had been told to


def supervise_workers(static: Path | None) -> None:
    """Make uvicorn do all that. ``static``: where the STATIC_DIRs will be; None: the user has set one for all."""
    folders = StaticFolders(static) if static else None
    start_it = multiprocess.Process.start

    def start(self: multiprocess.Process) -> None:
        if folders:
            # Children get the environment as it is when they are spawned.
            os.environ["STATIC_DIR"] = str(folders.take(_is_alive(self.process)))
        start_it(self)

    multiprocess.Process.start = start  # type: ignore[method-assign]
    # By its full name: "uvicorn.main" is also what the package calls its command line.
    vars(import_module("uvicorn.main"))["Multiprocess"] = OneFirst


def _is_alive(process: SpawnProcess) -> Callable[[], bool]:
    """Whether the process has not ended yet; one that is about to start has not."""
    return lambda: process.exitcode is None


def prepare_worker() -> None:
    """In a worker, before uvicorn runs it: end as on a stop when the parent is gone; ask no network at the start."""
    answer_and_run, serve = multiprocess.Process.target, Server.run

    def target(self: multiprocess.Process, sockets: list[socket] | None = None) -> None:
        threading.Thread(target=_follow_parent, name="follow-parent", daemon=True).start()
        answer_and_run(self, sockets)

    def run(self: Server, sockets: list[socket] | None = None) -> None:
        # Not earlier: uvicorn kills a worker that does not answer it for 5 s, and the import takes longer.
        if hasattr(signal, "alarm"):  # as in serve.py
            start_without_network(import_module("open_webui.main"))
        serve(self, sockets)

    multiprocess.Process.target = target  # type: ignore[method-assign]
    Server.run = run  # type: ignore[method-assign]


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
