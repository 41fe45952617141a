"""serve.py and the workers of a real uvicorn, with a small app in Open WebUI's place."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock
from collections.abc import Callable
from pathlib import Path

import webui_preload
from ports import free_port
from uvicorn import Config
from uvicorn.supervisors import multiprocess
from webui_preload.uvicorn_workers import PATIENCE, OneFirst, StaticFolders

#: As it is beside the package in the runtime folder.
SERVE = Path(webui_preload.__file__).parent.parent / "serve.py"

#: Seconds; each of these workers starts in a third of one.
TIMEOUT = 120

#: What ``from open_webui import app`` gets: typer's app, which serves as Open WebUI's ``serve`` does.
PACKAGE = """
import os
import sys

def app(args, prog_name):
    import uvicorn
    options = dict(zip(args[1::2], args[2::2]))
    workers = int(os.environ["UVICORN_WORKERS"])
    uvicorn.run("open_webui.main:app", host=options["--host"], port=int(options["--port"]), workers=workers)
"""

#: Each worker tells when it starts and when it serves; the file FAIL makes start-ups fail.
MAIN = """
import os
import time

def tell(what):
    with open(os.environ["EVENTS"], "a") as events:
        events.write(f"{what} {os.getpid()} {os.environ.get('STATIC_DIR')}\\n")

async def app(scope, receive, send):
    assert scope["type"] == "lifespan"
    await receive()
    tell("starts")
    if os.path.exists(os.environ["EVENTS"] + ".fail"):
        await send({"type": "lifespan.startup.failed", "message": "on purpose"})
        return
    time.sleep(0.3)  # so that others would be seen to start meanwhile
    tell("serves")
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
"""


class ServeTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "open_webui").mkdir()
        (self.folder / "open_webui" / "__init__.py").write_text(PACKAGE)
        (self.folder / "open_webui" / "main.py").write_text(MAIN)
        self.log = self.folder / "log"

    def start(self, **environment: str) -> subprocess.Popen[bytes]:
        complete = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(self.folder),
            "EVENTS": str(self.folder / "events"),
            "WEBUI_TUNE_HOST": "127.0.0.1",
            "WEBUI_TUNE_PORT": str(free_port()),
            "WEBUI_TUNE_CONTROL_SOCKET": str(self.folder / "run" / "control.sock"),
            "WEBUI_SECRET_KEY": "key",
            # Nothing here asks the network.
            "OFFLINE_MODE": "true",
            "WEBUI_TUNE_UVICORN_WORKERS": "3",
            **environment,
        }
        with open(self.log, "wb") as log:
            process = subprocess.Popen([sys.executable, SERVE], env=complete, stdout=log, stderr=log)

        def end() -> None:
            process.kill()
            process.wait(TIMEOUT)

        self.addCleanup(end)
        return process

    def events(self) -> list[list[str]]:
        try:
            return [line.split() for line in (self.folder / "events").read_text().splitlines()]
        except FileNotFoundError:
            return []

    def wait(self, what: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + TIMEOUT
        while not holds():
            self.assertLess(time.monotonic(), deadline, f"{what}: {self.events()}\n{self.log.read_text()}")
            time.sleep(0.02)

    def serving(self) -> list[int]:
        return [int(pid) for what, pid, _ in self.events() if what == "serves"]

    def test_workers_from_the_first_one_to_the_end_of_their_parent(self) -> None:
        process = self.start()
        self.wait("three workers serve", lambda: len(self.serving()) == 3)
        with self.subTest("one serves before another starts"):
            self.assertEqual([what for what, _, _ in self.events()][:3], ["starts", "serves", "starts"])
        with self.subTest("each has static files of its own"):
            static = self.folder / "run" / "static-serve"
            self.assertEqual({folder for _, _, folder in self.events()}, {str(static / n) for n in "012"})
        _, victim, its_folder = self.events()[-1]
        os.kill(int(victim), signal.SIGKILL)
        self.wait("another one serves", lambda: len(self.serving()) == 4)
        with self.subTest("its successor has the same"):
            self.assertEqual(self.events()[-1][2], its_folder)
        process.kill()
        process.wait(TIMEOUT)
        self.wait("all have left with their parent", lambda: not any(is_alive(pid) for pid in self.serving()))

    def test_stops_as_a_whole_and_leaves_a_static_folder_of_the_user_alone(self) -> None:
        process = self.start(STATIC_DIR="/theirs")
        self.wait("three workers serve", lambda: len(self.serving()) == 3)
        self.assertEqual({folder for _, _, folder in self.events()}, {"/theirs"})
        process.send_signal(signal.SIGINT)
        process.wait(TIMEOUT)
        self.assertFalse(any(is_alive(pid) for pid in self.serving()))

    def test_a_stop_while_the_first_starts_starts_no_other(self) -> None:
        process = self.start()
        self.wait("the first starts", lambda: len(self.events()) > 0)
        process.send_signal(signal.SIGTERM)
        process.wait(TIMEOUT)
        self.assertEqual(len({pid for _, pid, _ in self.events()}), 1)

    def test_a_start_that_fails_is_no_success(self) -> None:
        (self.folder / "events.fail").touch()
        process = self.start()
        self.assertEqual(process.wait(TIMEOUT), 3)
        self.assertEqual(len(self.events()), 1)

    def test_a_single_worker_is_the_process_itself(self) -> None:
        process = self.start(WEBUI_TUNE_UVICORN_WORKERS="1")
        self.wait("it serves", lambda: self.serving() == [process.pid])

    def test_refuses_what_is_no_number_of_workers(self) -> None:
        process = self.start(WEBUI_TUNE_UVICORN_WORKERS="many")
        self.assertEqual(process.wait(TIMEOUT), 78)
        self.assertIn("'many', not a number of workers", self.log.read_text())

    def test_needs_nothing_that_windows_lacks(self) -> None:
        script = (
            "import runpy, sys; sys.modules['fcntl'] = None; sys.modules['pwd'] = None; "
            f"runpy.run_path({str(SERVE)!r}, run_name='imported')"
        )
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SERVE.parent)}
        subprocess.run([sys.executable, "-c", script], env=environment, check=True, timeout=TIMEOUT)


def is_alive(pid: int) -> bool:
    """Whether it runs; of a child whose parent was killed, the exit status may be left over."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


class StaticFoldersTest(unittest.TestCase):
    def test_a_folder_is_free_once_its_worker_has_ended(self) -> None:
        alive = {"a": True, "b": True}
        folders = StaticFolders(Path("/static"))
        names = [folders.take(lambda name=name: alive[name]).name for name in alive]  # type: ignore[misc]
        alive["a"] = False
        names.append(folders.take(lambda: True).name)
        names.append(folders.take(lambda: True).name)
        self.assertEqual(names, ["0", "1", "0", "2"])


class PatienceTest(unittest.TestCase):
    def patience(self, **environ: str) -> int:
        """Seconds that a worker may be silent. The app is called from Python, where uvicorn reads no variables."""
        supervisor = object.__new__(OneFirst)
        supervisor.config = Config("open_webui.main:app", workers=3)
        with (
            unittest.mock.patch.dict(os.environ, environ),
            unittest.mock.patch.object(multiprocess.Multiprocess, "init_processes"),
        ):
            supervisor.init_processes()
        return supervisor.config.timeout_worker_healthcheck

    def test_a_worker_may_be_silent_for_as_long_as_the_plan_says(self) -> None:
        self.assertEqual(self.patience(), 5)
        self.assertEqual(self.patience(**{PATIENCE: "60"}), 60)
        self.assertEqual(self.patience(**{PATIENCE: "soon"}), 5)
