"""What the preload process makes of the hub: within 5 s, whatever the network does, in namespaces of their own."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import webui_preload
from child import in_child
from fake_hub import FakeHub
from model_files import REPOSITORY, write_model
from webui_preload.generation import lock_installation
from webui_preload.models import supply as supply_module
from webui_preload.models.attempt import Attempt
from webui_preload.models.cache import find_model
from webui_preload.models.local_models import LocalModels
from webui_preload.models.supply import ModelSupply

#: Seconds that a start may wait for models, and what the machine may be late by under load.
START_LIMIT, SLACK = 5.0, 1.5

PRELOAD = str(Path(webui_preload.__file__).parent.parent)

#: A start as in main.py, with an import that takes no time; what came of it.
PROGRAM = """
import json, os, sys, time
from pathlib import Path
from webui_preload.models.local_models import LocalModels
from webui_preload.models.supply import ModelSupply
began = time.monotonic()
models = LocalModels(os.environ.get("MODEL", "acme/tiny"))
supply = ModelSupply(models, os.environ, Path(os.environ["RUN"]), again=True)
supply.begin()
here = supply.settle()
took = time.monotonic() - began
print(json.dumps({"took": took, "here": bool(here), "offline": os.environ.get("HF_HUB_OFFLINE")}))
supply.leave()
"""

#: Names and packets, as they may fail. The first line is what all have: a network with nothing but itself.
NETWORKS = {
    "a name that does not resolve": ("echo 'nameserver 127.0.0.1' > resolv.conf", "its name does not resolve"),
    "name servers that do not answer": (
        "echo 'nameserver 203.0.113.53' > resolv.conf && ip route add 203.0.113.0/24 dev lo",
        "no answer within 5 s",
    ),
    "a connection that is refused": ("echo '127.0.0.1 huggingface.co' > hosts", "the connection is refused"),
    "packets that vanish": (
        "echo '203.0.113.7 huggingface.co' > hosts && ip route add 203.0.113.0/24 dev lo",
        "no answer within 5 s",
    ),
}

ISOLATE = """
set -e
ip link set lo up
: > hosts; : > resolv.conf
{network}
mount --bind hosts /etc/hosts
mount --bind resolv.conf /etc/resolv.conf
exec {python} -c "$PROGRAM"
"""


def can_isolate() -> bool:
    """Whether we may make namespaces here: as root, and not in every container."""
    with contextlib.suppress(OSError):
        return subprocess.run(["unshare", "--net", "--mount", "ip", "link", "set", "lo", "up"]).returncode == 0
    return False


class SupplyTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": folder.name,
            "PYTHONPATH": PRELOAD,
            "HF_HUB_CACHE": str(self.folder / "cache"),
            "RUN": str(self.folder),
        }

    def state(self) -> dict[str, object]:
        content = json.loads((self.folder / "models.json").read_text())
        assert isinstance(content, dict)
        return content

    def reason(self) -> str:
        models = self.state()["models"]
        assert isinstance(models, list)
        return str(models[0]["reason"])

    def start(self, **environ: str) -> tuple[dict[str, object], str]:
        """What came of it, and the log."""
        command = [sys.executable, "-c", PROGRAM]
        return self.run_start(command, {**self.environ, **environ})

    def run_start(self, command: list[str], environ: dict[str, str]) -> tuple[dict[str, object], str]:
        done = subprocess.run(command, env=environ, cwd=self.folder, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        outcome = json.loads(done.stdout.splitlines()[-1])
        assert isinstance(outcome, dict)
        return outcome, done.stdout + done.stderr

    def test_no_network_holds_a_start_for_more_than_5_seconds(self) -> None:
        if not can_isolate():
            self.skipTest("no namespaces of our own can be made here")
        for name, (network, reason) in NETWORKS.items():
            with self.subTest(name):
                script = ISOLATE.format(network=network, python=sys.executable)
                command = ["unshare", "--net", "--mount", "sh", "-c", script]
                outcome, log = self.run_start(command, {**self.environ, "PROGRAM": PROGRAM})
                took = float(str(outcome["took"]))
                print(f"{name}: the start waited {took:.2f} s for the model", file=sys.stderr)
                self.assertLess(took, START_LIMIT + SLACK)
                self.assertEqual((outcome["here"], outcome["offline"]), (False, "1"))
                self.assertIn(reason, self.reason())
                self.assertEqual(self.state()["endpoint"], "https://huggingface.co")
                self.assertEqual(log.count("is not on this machine: documents cannot be read"), 1)

    def test_a_model_that_is_here_costs_no_network_and_no_time(self) -> None:
        with self.hub() as hub:
            self.fetch(hub)
            hub.requests.clear()
            outcome, _ = self.start(HF_ENDPOINT=hub.url)
        self.assertEqual(hub.requests, [])
        self.assertEqual((outcome["here"], outcome["offline"]), (True, None))
        self.assertLess(float(str(outcome["took"])), 1)
        self.assertEqual(
            {name: value for name, value in self.state().items() if name != "checkedAt"},
            {
                "endpoint": hub.url,
                "offline": False,
                "models": [{"kind": "embedding", "name": REPOSITORY, "here": True, "reason": ""}],
                "nextAttemptAt": None,
            },
        )

    def test_a_start_looks_a_model_that_is_here_up_once(self) -> None:
        with mock.patch.object(supply_module, "find_model", return_value="/here") as find:
            supply = ModelSupply(LocalModels("acme/one", "acme/two"), {**self.environ}, self.folder, again=True)
            supply.begin()
            self.assertEqual(supply.settle(), LocalModels("acme/one", "acme/two"))
            self.assertEqual(supply.settle(), LocalModels("acme/one", "acme/two"))
        self.assertEqual(sorted(call.args[0] for call in find.call_args_list), ["acme/one", "acme/two"])

    def test_a_hub_that_stalls_in_the_middle_of_a_file_holds_no_start(self) -> None:
        with self.hub("stall") as hub:
            outcome, _ = self.start(HF_ENDPOINT=hub.url)
        # The hub is there: what else workers take from it goes on.
        self.assertEqual((outcome["here"], outcome["offline"]), (False, None))
        self.assertLess(float(str(outcome["took"])), START_LIMIT + SLACK)
        self.assertIn("is still sending it", self.reason())

    def test_a_page_or_an_error_in_its_place_is_told(self) -> None:
        for ill, words in {"html": "text/html", "404": "HTTP 404", "500": "HTTP 500"}.items():
            with self.hub(ill) as hub:
                outcome, log = self.start(HF_ENDPOINT=hub.url)
            is_cut_off = "1" if ill != "404" else None
            self.assertEqual((outcome["here"], outcome["offline"]), (False, is_cut_off), ill)
            self.assertIn(words, log)
            self.assertIsNotNone(self.state()["nextAttemptAt"])

    def test_the_users_own_settings_stand(self) -> None:
        with self.hub() as hub:
            for name, value in (("OFFLINE_MODE", "true"), ("HF_HUB_OFFLINE", "1"), ("TRANSFORMERS_OFFLINE", "1")):
                outcome, _ = self.start(HF_ENDPOINT=hub.url, **{name: value})
                self.assertFalse(outcome["here"], name)
                self.assertIn(f"{name} is set, so it is not fetched", self.reason())
                self.assertEqual((self.state()["offline"], self.state()["nextAttemptAt"]), (True, None), name)
        self.assertEqual(hub.requests, [])
        outcome, _ = self.start(HF_ENDPOINT="http://127.0.0.1:1", HF_HUB_OFFLINE="0")
        self.assertEqual((outcome["offline"], self.state()["offline"]), ("0", False))

    def test_a_start_at_another_level_does_not_ask_again(self) -> None:
        for asked, offline in (("cut off", "1"), ("reached", None)):
            outcome, _ = self.start(HF_ENDPOINT="http://127.0.0.1:1", WEBUI_TUNE_HUB_ASKED=asked)
            self.assertLess(float(str(outcome["took"])), 1)
            self.assertEqual((outcome["here"], outcome["offline"]), (False, offline))
            self.assertIn("has not given it yet", self.reason())

    def test_a_folder_that_is_not_there_is_nothing_to_go_offline_for(self) -> None:
        with self.hub() as hub:
            outcome, log = self.start(HF_ENDPOINT=hub.url, MODEL="/no/such/folder")
        self.assertEqual((outcome["here"], outcome["offline"], hub.requests), (False, None, []))
        self.assertIn("it is neither a folder nor the name of a model", log)

    def test_in_the_background_it_is_tried_again_and_the_process_is_told_to_start_anew(self) -> None:
        def check() -> str:
            with self.hub("500") as hub:
                environ = {**self.environ, "HF_ENDPOINT": hub.url}
                supply = ModelSupply(LocalModels(REPOSITORY), environ, self.folder, again=True)
                supply.begin()
                assert not supply.settle()
                first = supply.wait()
                assert first is not None and 10 < first <= 15, first
                self.attempt(supply)
                assert not supply.has_news and not find_model(REPOSITORY, environ)
                second = supply.wait()
                assert second is not None and 25 < second <= 30, second
                hub.ills = set()
                self.attempt(supply)
            return f"news: {supply.has_news}, here: {bool(find_model(REPOSITORY, environ))}, then {supply.wait()}"

        self.assertEqual(in_child(check), "news: True, here: True, then None")
        models = self.state()["models"]
        self.assertEqual(models, [{"kind": "embedding", "name": REPOSITORY, "here": True, "reason": ""}])

    def test_a_model_that_somebody_brings_is_news_too(self) -> None:
        def check() -> str:
            folder = self.folder / "own"
            supply = ModelSupply(LocalModels(str(folder)), {**self.environ}, self.folder, again=True)
            supply.begin()
            supply.settle()
            write_model(folder)
            self.due(supply)
            supply.work()
            return f"news: {supply.has_news}"

        self.assertEqual(in_child(check), "news: True")

    def test_a_newer_version_is_looked_for_after_the_start_unless_the_user_says_no(self) -> None:
        def check() -> str:
            with self.hub() as hub:
                environ = {**self.environ, "HF_ENDPOINT": hub.url}
                self.fetch(hub)
                seen = []
                for wish in ("true", "false"):
                    settings = {**environ, "RAG_EMBEDDING_MODEL_AUTO_UPDATE": wish}
                    supply = ModelSupply(LocalModels(REPOSITORY), settings, self.folder, again=True)
                    supply.begin()
                    supply.settle()
                    seen.append(supply.wait() is not None)
                    if seen[-1]:
                        hub.revision = "e" * 40
                        self.attempt(supply)
                        seen.append(supply.has_news and "e" * 40 in find_model(REPOSITORY, environ))
            return f"{seen}"

        self.assertEqual(in_child(check), "[True, True, False]")

    def test_the_program_that_fetches_does_not_keep_the_lock_of_the_installation(self) -> None:
        with self.hub("silent") as hub:
            supply = ModelSupply(
                LocalModels(REPOSITORY), {**self.environ, "HF_ENDPOINT": hub.url}, self.folder, again=True
            )
            lock = lock_installation(self.folder)
            supply.begin()
            self.addCleanup(supply.leave)
            os.close(lock)
            os.close(lock_installation(self.folder))

    def fetch(self, hub: FakeHub) -> None:
        """Brings the model into the cache, also where the machine is too busy for a start to wait for it."""
        attempt = Attempt([REPOSITORY], {**self.environ, "HF_ENDPOINT": hub.url}, reach_seconds=60)
        self.assertTrue(attempt.wait(60))
        self.assertEqual(attempt.reasons(None), {REPOSITORY: ""})
        attempt.kill()

    def due(self, supply: ModelSupply) -> None:
        supply._due = time.monotonic()

    def attempt(self, supply: ModelSupply) -> None:
        """One in the background, from its start to its end."""
        self.due(supply)
        supply.work()
        pid, status = os.waitpid(-1, 0)
        assert supply.exited(pid, status)

    @contextlib.contextmanager
    def hub(self, *ills: str) -> Iterator[FakeHub]:
        source = self.folder / "source"
        write_model(source)
        with FakeHub(source, REPOSITORY) as hub:
            hub.ills = set(ills)
            yield hub
