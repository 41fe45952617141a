"""Adds what uvicorn's own workers lack (``serve.py``), in uvicorn/supervisors/multiprocess.py (0.54.0).

* One worker starts first, and the others once it serves. On an empty database or after an upgrade, workers that start
  together all fill the ``config`` table; one fails there ("config_pkey1"), and uvicorn then stops all, and exits 0.
* Each worker has a STATIC_DIR of its own, because Open WebUI empties and refills it at every import.
* No worker outlives its parent. uvicorn's would keep serving, and the next start could not get the port.
* A worker may be silent for as long as the plan says. ``uvicorn`` itself reads that from the environment;
  ``open-webui serve``, which calls it from Python, does not.
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

#: Seconds that a worker may be silent: the variable of uvicorn's own option (uvicorn/main.py, auto_envvar_prefix).
PATIENCE = "UVICORN_TIMEOUT_WORKER_HEALTHCHECK"


class StaticFolders:
    """One folder for each living worker. When a worker ends, its successor gets the folder."""

    def __init__(self, parent: Path) -> None:
        self._parent = parent
        self._users: list[Callable[[], bool]] = []

    def take(self, is_alive: Callable[[], bool]) -> Path:
        """A folder that no living worker has, for the worker whose life ``is_alive`` tells."""
        free = (number for number, is_used in enumerate(self._users) if not is_used())
        number = next(free, len(self._users))
        self._users[number : number + 1] = [is_alive]
        return self._parent / str(number)


class OneFirst(multiprocess.Multiprocess):
    """uvicorn's supervisor; it starts one worker, and the others once that one serves."""

    is_complete = False

    def init_processes(self) -> None:
        self.processes_num = 1
        if (seconds := os.environ.get(PATIENCE, "")).isdecimal():
            self.config.timeout_worker_healthcheck = int(seconds)
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
            sys.exit(STARTUP_FAILURE)  # uvicorn itself would exit with 0, as after a stop


def supervise_workers(static: Path | None) -> None:
    """Make uvicorn do all that. ``static``: parent of the STATIC_DIRs; None where the user has set one for all."""
    folders = StaticFolders(static) if static else None
    start_it = multiprocess.Process.start

    def start(self: multiprocess.Process) -> None:
        if folders:
            # A child gets the environment as it is when the child is spawned.
            os.environ["STATIC_DIR"] = str(folders.take(_is_alive(self.process)))
        start_it(self)

    multiprocess.Process.start = start  # type: ignore[method-assign]
    # By its full name: "uvicorn.main" is also what the package calls its command line.
    vars(import_module("uvicorn.main"))["Multiprocess"] = OneFirst


def _is_alive(process: SpawnProcess) -> Callable[[], bool]:
    """Tells whether the process has not ended yet, which is so before it starts, too."""
    return lambda: process.exitcode is None


def prepare_worker() -> None:
    """In a worker, before uvicorn runs it: stop when the parent has ended; start without the network."""
    answer_and_run, serve = multiprocess.Process.target, Server.run

    def target(self: multiprocess.Process, sockets: list[socket] | None = None) -> None:
        threading.Thread(target=_follow_parent, name="follow-parent", daemon=True).start()
        answer_and_run(self, sockets)

    def run(self: Server, sockets: list[socket] | None = None) -> None:
        # Not earlier: uvicorn kills a worker that is silent for too long, and the import takes longer than its 5 s.
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
