"""The preload process, from a start without the hub to one with the model; a small app is in Open WebUI's place."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Callable
from pathlib import Path

import webui_preload
from fake_hub import FakeHub
from model_files import REPOSITORY, write_model
from ports import free_port

PRELOAD = Path(webui_preload.__file__).parent.parent

#: Seconds.
TIMEOUT = 180

#: preload.py, which asks again half a second after its start and not 15: these tests are about what comes of it.
LAUNCHER = """
from webui_preload.main import main
from webui_preload.models import supply

supply.FIRST_PAUSE = 0.5
main()
"""

#: Its import takes as long as there is a file "slow" in the data folder.
MAIN = """
import os, time

while os.path.exists(os.environ["DATA_DIR"] + "/slow"):
    time.sleep(0.02)

def get_ef(engine, embedding_model, auto_update=True):
    return None

def get_rf(engine="", reranking_model=None, *elsewhere, auto_update=True):
    return None

class app:
    routes = ()
"""


class RestartTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "open_webui").mkdir()
        for name, text in {"__init__": "", "env": "", "main": MAIN}.items():
            (self.folder / "open_webui" / f"{name}.py").write_text(text)
        self.source = self.folder / "source"
        write_model(self.source)
        self.log = self.folder / "log"

    def start(self, endpoint: str) -> "subprocess.Popen[bytes]":
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "DATA_DIR": str(self.folder),
            "PYTHONPATH": f"{self.folder}:{PRELOAD}",
            "WEBUI_TUNE_HOST": "127.0.0.1",
            "WEBUI_TUNE_PORT": str(free_port()),
            "WEBUI_TUNE_CONTROL_SOCKET": str(self.folder / "run" / "control.sock"),
            "WEBUI_SECRET_KEY": "key",
            "RAG_EMBEDDING_MODEL": REPOSITORY,
            "HF_ENDPOINT": endpoint,
        }
        launcher = self.folder / "launcher.py"
        launcher.write_text(LAUNCHER)
        with open(self.log, "wb") as log:
            process = subprocess.Popen([sys.executable, launcher], env=environ, stdout=log, stderr=log)

        def end() -> None:
            process.kill()
            process.wait()

        self.addCleanup(end)
        return process

    def test_starts_anew_as_the_same_process_once_the_model_has_come(self) -> None:
        port = free_port()
        process = self.start(f"http://127.0.0.1:{port}")
        self.until(lambda: "generation" in self.text())
        self.assertIn("the connection is refused", self.text())
        self.assertEqual(self.state(), (True, [False]))
        first = self.generation()
        with FakeHub(self.source, REPOSITORY, port):
            self.until(lambda: self.text().count("preloaded app") == 2)
        self.assertIsNone(process.poll())
        self.assertNotEqual(self.generation(), first)
        self.assertEqual(self.state(), (False, [True]))
        self.assertIn("on this machine now; the workers are replaced", self.text())
        self.assertEqual(os.listdir(f"/proc/{process.pid}/task"), [str(process.pid)])
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(TIMEOUT), 0)

    def test_a_stop_during_a_download_leaves_nothing_behind(self) -> None:
        with FakeHub(self.source, REPOSITORY) as hub:
            hub.ills = {"stall"}
            # An app's import leaves the hub time to answer, on a busy machine too.
            (self.folder / "slow").touch()
            process = self.start(hub.url)
            self.until(lambda: any("model.safetensors" in request for request in hub.requests))
            (self.folder / "slow").unlink()
            self.until(lambda: "preloaded app" in self.text())
            self.assertIn("is still sending it", self.text())
            self.assertEqual(self.state(), (False, [False]))
            [child] = self.children(process.pid)
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(TIMEOUT), 0)
            self.until(lambda: not Path(f"/proc/{child}").exists())

    def children(self, pid: int) -> list[int]:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def state(self) -> tuple[bool, list[bool]]:
        """Whether workers are offline, and of each model whether it is here."""
        state = json.loads((self.folder / "run" / "models.json").read_text())
        return state["offline"], [model["here"] for model in state["models"]]

    def generation(self) -> list[str]:
        return [path.name for path in (self.folder / "run").glob("generation-*")]

    def text(self) -> str:
        return self.log.read_text()

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + TIMEOUT
        while not condition():
            self.assertLess(time.monotonic(), end, self.text())
            time.sleep(0.05)
