"""The program that fetches models, with a hub of our own: the real program, and real HTTP."""

import json
import os
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Callable
from pathlib import Path

import webui_preload
from fake_hub import REVISION, FakeHub
from model_files import REPOSITORY, WEIGHTS, write_model
from webui_preload.models.cache import current_snapshot, find_model, storage_folder


class FetchTest(unittest.TestCase):
    #: Bytes; 0: any.
    largest_file = 0

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.cache = Path(folder.name) / "cache"
        source = Path(folder.name) / "source"
        write_model(source)
        self.hub = FakeHub(source, REPOSITORY)
        self.hub.__enter__()
        self.addCleanup(self.hub.__exit__, None, None, None)
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": folder.name,
            "PYTHONPATH": str(Path(webui_preload.__file__).parent.parent),
            "SENTENCE_TRANSFORMERS_HOME": str(self.cache),
            "HF_ENDPOINT": self.hub.url,
        }

    def fetch(self, reach: int = 20, stall: int = 20, **environ: str) -> tuple[int, list[dict[str, object]]]:
        """Exit code, and what it told its parent."""
        reader, writer = os.pipe()
        numbers = [str(number) for number in (writer, reach, stall)]
        command = [sys.executable, "-m", "webui_preload.models.fetch", *numbers, REPOSITORY]
        if self.largest_file:
            # In units of 512 bytes; a write beyond it fails, as on a full disk. Python would leave half its bytecode.
            environ["PYTHONDONTWRITEBYTECODE"] = "1"
            command = ["sh", "-c", f'ulimit -f {self.largest_file // 512}; exec "$@"', "sh", *command]
        process = subprocess.Popen(
            command, env={**self.environ, **environ}, pass_fds=[writer], stdout=subprocess.PIPE, text=True
        )
        os.close(writer)
        with os.fdopen(reader) as pipe:
            frames = [json.loads(line) for line in pipe]
        self.log, _ = process.communicate(timeout=60)
        return process.returncode, frames

    def reason(self, **environ: str) -> str:
        code, frames = self.fetch(20, 20, **environ)
        self.assertEqual(code, 0)
        reasons = frames[-1]["reasons"]
        assert isinstance(reasons, dict)
        return str(reasons[REPOSITORY])

    def asked(self, file: str) -> list[str]:
        return [request for request in self.hub.requests if request.partition(" ")[0].endswith(f"/{file}")]

    def test_brings_what_is_loaded_and_nothing_else(self) -> None:
        self.assertEqual(self.reason(), "")
        path = Path(find_model(REPOSITORY, self.environ))
        self.assertEqual(path, storage_folder(REPOSITORY, self.environ) / "snapshots" / REVISION)
        there = {file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()}
        self.assertEqual(
            there, {"config.json", "modules.json", "1_Pooling/config.json", "tokenizer.json", "model.safetensors"}
        )
        self.assertEqual((path / "model.safetensors").read_bytes(), WEIGHTS)
        self.assertIn("0.6 of 0.6 MiB", self.log)

    def test_hugging_faces_own_library_finds_it_and_asks_nobody(self) -> None:
        self.assertEqual(self.reason(), "")
        asked = len(self.hub.requests)
        program = f"from huggingface_hub import snapshot_download; print(snapshot_download({REPOSITORY!r}))"
        environ = {**self.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(self.cache)}
        found = subprocess.check_output([sys.executable, "-c", program], env=environ, text=True)
        self.assertEqual(found.strip(), find_model(REPOSITORY, self.environ))
        self.assertEqual(len(self.hub.requests), asked)

    def test_asks_once_for_a_model_that_is_here(self) -> None:
        self.assertEqual(self.reason(), "")
        self.hub.requests.clear()
        self.assertEqual(self.reason(), "")
        self.assertEqual(self.hub.requests, [f"/api/models/{REPOSITORY}/revision/main?blobs=true"])

    def test_a_newer_revision_takes_the_place_of_the_older_one_once_it_is_whole(self) -> None:
        self.assertEqual(self.reason(), "")
        self.hub.revision = "f" * 40
        self.hub.contents["model.safetensors"] = WEIGHTS[:-9] + b"a new end"
        self.hub.ills = {"cut"}
        self.assertIn("peer closed connection", self.reason())
        self.assertIn(REVISION, find_model(REPOSITORY, self.environ))
        self.hub.ills = set()
        self.assertEqual(self.reason(), "")
        self.assertIn("f" * 40, find_model(REPOSITORY, self.environ))

    def test_half_a_download_is_no_model_and_is_resumed(self) -> None:
        self.hub.ills = {"stall"}
        code, frames = self.fetch(stall=1)
        self.assertLess(code, 0)
        self.assertEqual(frames, [{"type": "reached"}])
        self.assertEqual(find_model(REPOSITORY, self.environ), "")
        self.assertIsNone(current_snapshot(REPOSITORY, self.environ))
        self.hub.ills = set()
        self.assertEqual(self.reason(), "")
        half = len(WEIGHTS) // 2
        self.assertRegex(self.asked("model.safetensors")[-1], f" bytes={half}-$")
        self.assertEqual(len(self.asked("tokenizer.json")), 1)
        self.assertEqual((Path(find_model(REPOSITORY, self.environ)) / "model.safetensors").read_bytes(), WEIGHTS)

    def test_a_file_with_another_checksum_is_thrown_away(self) -> None:
        self.hub.ills = {"corrupt"}
        self.assertIn("checksum is not the one", self.reason())
        self.assertEqual(find_model(REPOSITORY, self.environ), "")
        self.hub.ills = set()
        self.assertEqual(self.reason(), "")

    def test_says_what_answers_instead(self) -> None:
        for ill, words in {
            "html": "does not answer as Hugging Face does, but with text/html",
            "404": "does not give us acme/tiny (HTTP 404)",
            "500": "answers with HTTP 500",
        }.items():
            self.hub.ills = {ill}
            self.assertIn(f"{self.hub.url} {words}", self.reason(), ill)
            self.assertEqual(find_model(REPOSITORY, self.environ), "", ill)

    def test_a_mirror_without_checksums_in_its_list_is_asked_for_each(self) -> None:
        self.hub.ills = {"bare", "untagged"}
        self.assertIn("names no checksum of 1_Pooling/config.json", self.reason())
        self.hub.ills = {"bare", "corrupt"}
        self.assertIn("checksum is not the one", self.reason())
        self.hub.ills = {"bare"}
        self.assertEqual(self.reason(), "")
        self.assertEqual((Path(find_model(REPOSITORY, self.environ)) / "model.safetensors").read_bytes(), WEIGHTS)

    def test_a_file_name_that_leads_out_of_the_cache_is_refused(self) -> None:
        self.hub.contents["../../outside.json"] = b"{}"
        self.assertIn("does not answer as Hugging Face does", self.reason())
        self.assertEqual(list(self.cache.parent.rglob("outside.json")), [])

    def test_a_hub_that_does_not_answer_ends_it_in_time(self) -> None:
        self.hub.ills = {"silent"}
        started = time.monotonic()
        code, frames = self.fetch(reach=2)
        self.assertLess(code, 0)
        self.assertEqual(frames, [])
        self.assertLess(time.monotonic() - started, 10)

    def test_says_that_the_cache_cannot_be_written(self) -> None:
        self.cache.write_text("a file")
        self.assertIn("it cannot be kept in", self.reason())

    def test_a_disk_that_fills_up_is_told_and_what_has_come_is_kept(self) -> None:
        self.largest_file = 102_400
        self.assertRegex(self.reason(), "it cannot be kept in the cache: ")
        self.assertEqual(find_model(REPOSITORY, self.environ), "")
        self.largest_file = 0
        self.assertEqual(self.reason(), "")
        self.assertRegex(self.asked("model.safetensors")[-1], r" bytes=\d+-$")

    def test_says_what_is_wrong_with_a_proxy(self) -> None:
        self.assertIn("the settings of a proxy", self.reason(HTTP_PROXY="ftp://proxy"))
        self.assertIn("was not reached: the connection is refused", self.reason(HTTP_PROXY="http://127.0.0.1:1"))

    def test_ends_with_its_parent(self) -> None:
        self.hub.ills = {"stall"}
        program = (
            "import os, time; from webui_preload.models.attempt import Attempt; "
            f"attempt = Attempt([{REPOSITORY!r}], dict(os.environ), 30); "
            "print(attempt.pid, flush=True); time.sleep(60)"
        )
        parent = subprocess.Popen(
            [sys.executable, "-c", program], env=self.environ, stdout=subprocess.PIPE, text=True
        )
        assert parent.stdout
        child = int(parent.stdout.readline())
        self._until(lambda: bool(self.asked("model.safetensors")))
        parent.kill()
        parent.communicate()
        self._until(lambda: not _is_alive(child))

    def _until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 120
        while not condition():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)


def _is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
