"""The real control server in a process of its own, whose workers note their pid and end at once."""

import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from ports import free_port
from webui_preload.forking import control, server
from webui_preload.generation import Generation
from webui_preload.host.pm2 import Pm2Channel
from webui_preload.models.local_models import NO_MODELS
from webui_preload.models.supply import ModelSupply
from webui_preload.protocol import Frame
from webui_preload.run_folder import make_run_folder
from webui_preload.settings import Settings
from webui_preload.sharing.descriptors import Descriptors
from webui_preload.sharing.identities import Identities
from webui_preload.sharing.levels import Preload
from webui_preload.worker.run import Job


class ControlServer:
    """Started by ``with``, ended at its end. ``path`` is the control socket."""

    def __enter__(self) -> "ControlServer":
        self._folder = tempfile.TemporaryDirectory()
        self.run_folder = Path(self._folder.name) / "run"
        make_run_folder(self.run_folder)
        self.path = self.run_folder / "control.sock"
        self._forks = Path(self._folder.name) / "forks"
        self._log = Path(self._folder.name) / "log"
        listener = control.listen(self.path)
        self.pid = os.fork()
        if not self.pid:
            self._serve(listener)
        listener.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.is_alive():
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        self._folder.cleanup()

    def _serve(self, listener: socket.socket) -> NoReturn:
        code = 1
        try:
            log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            forks = os.open(self._forks, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

            def run_worker(_job: Job) -> int:
                os.write(forks, b"%d\n" % os.getpid())
                return 0

            setattr(server, "run_worker", run_worker)  # noqa: B010 (mypy would not have an assignment)
            settings = Settings(self.path, "127.0.0.1", free_port(), "none", None, None, None, False, frozenset())
            preload = Preload("none", "a test", "0.0.0", Identities(), Descriptors())
            lock = os.open(os.devnull, os.O_RDONLY)
            generation = Generation(self.run_folder, "test", "0.0.0")
            pm2 = Pm2Channel({})
            supply = ModelSupply(NO_MODELS, {}, self.run_folder, again=True)
            prepared = server.Prepared(
                settings=settings,
                generation=generation,
                preload=preload,
                static=None,
                control=listener,
                listener=None,
                host=pm2,
                lock=lock,
                supply=supply,
                on_serving=lambda: None,
            )
            server.ForkServer(prepared).run()
            code = 0
        except BaseException as error:
            print(f"the server ended: {error!r}", file=sys.stderr)
        finally:
            os._exit(code)

    def is_alive(self) -> bool:
        try:
            return os.waitpid(self.pid, os.WNOHANG) == (0, 0)
        except ChildProcessError:
            return False

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def forks(self) -> int:
        """Workers forked so far."""
        return self._forks.read_bytes().count(b"\n") if self._forks.exists() else 0

    def open_descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def memory(self) -> int:
        """KiB in memory, shared with this process or not: which of the two had changed a page would not matter."""
        text = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Rss:"))

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Blocking: a full queue is then waited for.
        connection.connect(str(self.path))
        connection.settimeout(10)
        return connection


def fork_request(worker: str) -> Frame:
    return {"type": "fork", "worker": worker, "replaces": False, "drainSeconds": 60}
