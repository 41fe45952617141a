import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import webui_preload

HOLD = Path(webui_preload.__file__).parent.parent / "hold.py"

#: Says its pid and account, and ends when it is told to stop: any account may run it.
SERVICE = ["/bin/sh", "-c", "trap 'exit 0' INT; echo $$ $(id -u); while :; do sleep 0.05; done"]


class HoldTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.run_folder = folder / "run"
        self.services = folder / "services"
        for made in (self.run_folder, self.services):
            made.mkdir(mode=0o700)

    def start(self, seconds: float = 60, *options: str) -> tuple[subprocess.Popen[str], int, int]:
        """The launcher, the service's pid, and its user."""
        hold = [sys.executable, "-E", "-S", str(HOLD), "--name", "heron", "--folder", str(self.services)]
        launcher = subprocess.Popen(
            [*hold, "--run-folder", str(self.run_folder), "--seconds", str(seconds), *options, "--", *SERVICE],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert launcher.stdout and launcher.stderr
        self.addCleanup(launcher.stderr.close)
        self.addCleanup(launcher.stdout.close)
        self.addCleanup(launcher.wait)
        self.addCleanup(launcher.kill)
        pid, user = launcher.stdout.readline().split()
        return launcher, int(pid), int(user)

    def lock(self, *path: str) -> int:
        """What a preload process or a worker holds; its descriptor."""
        file = self.run_folder.joinpath(*path)
        file.parent.mkdir(exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return descriptor

    def test_a_stop_while_nothing_needs_it_ends_the_service_before_the_launcher(self) -> None:
        launcher, service, _ = self.start()
        launcher.send_signal(signal.SIGINT)
        self.assertEqual(launcher.wait(10), 0)
        self.assertFalse(lives(service))

    def test_a_stop_is_held_back_until_the_last_worker_has_left(self) -> None:
        launcher, service, _ = self.start()
        worker = self.lock("generation-a", "lock")
        launcher.send_signal(signal.SIGINT)
        self.assertEqual(launcher.wait(10), 0)
        self.assertTrue(lives(service))
        os.close(worker)
        self.until_gone(service)

    def test_a_stop_of_everything_begins_with_a_preload_process_that_is_still_there(self) -> None:
        launcher, service, _ = self.start(60, "--grace", "3")
        preload, worker = self.lock("preload.lock"), self.lock("generation-a", "lock")
        launcher.send_signal(signal.SIGTERM)
        self.assertEqual(launcher.wait(10), 0)
        os.close(preload)
        # Longer than a stop of the service alone is held back.
        self.assertFalse(ends_within(service, 4))
        os.close(worker)
        self.until_gone(service)

    def test_a_stop_of_the_service_alone_is_carried_out(self) -> None:
        launcher, service, _ = self.start(60, "--grace", "0.5")
        preload = self.lock("preload.lock")
        launcher.send_signal(signal.SIGINT)
        self.assertEqual(launcher.wait(10), 0)
        self.until_gone(service)
        os.close(preload)

    def test_a_stop_is_held_back_for_no_longer_than_it_is_told(self) -> None:
        launcher, service, _ = self.start(0.5)
        worker = self.lock("generation-a", "lock")
        launcher.send_signal(signal.SIGINT)
        self.until_gone(service)
        os.close(worker)

    def test_the_service_ends_with_a_launcher_that_is_killed(self) -> None:
        launcher, service, _ = self.start()
        worker = self.lock("generation-a", "lock")
        launcher.kill()
        self.until_gone(service)
        os.close(worker)

    def test_the_service_ends_with_a_keeper_that_is_killed(self) -> None:
        launcher, service, _ = self.start()
        os.kill(parent_of(service), signal.SIGKILL)
        self.assertEqual(launcher.wait(10), 128 + signal.SIGKILL)
        self.until_gone(service)

    def test_the_launcher_ends_with_the_service_and_says_how(self) -> None:
        launcher, service, _ = self.start()
        os.kill(service, signal.SIGKILL)
        self.assertEqual(launcher.wait(10), 128 + signal.SIGKILL)

    def test_the_next_start_waits_for_a_service_that_is_held(self) -> None:
        launcher, service, _ = self.start()
        worker = self.lock("generation-a", "lock")
        launcher.send_signal(signal.SIGINT)
        launcher.wait(10)
        command = [*launcher.args]  # type: ignore[misc]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as following:
            assert following.stdout and following.stderr
            self.assertIn(b"heron still serves workers that drain", following.stderr.readline())
            self.assertTrue(lives(service))
            os.close(worker)
            self.assertNotEqual(int(following.stdout.readline().split()[0]), service)
            self.assertFalse(lives(service))
            following.send_signal(signal.SIGINT)
            self.assertEqual(following.wait(10), 0)

    def test_a_start_that_waits_can_be_stopped(self) -> None:
        launcher, service, _ = self.start()
        worker = self.lock("generation-a", "lock")
        launcher.send_signal(signal.SIGINT)
        launcher.wait(10)
        with subprocess.Popen([*launcher.args], stderr=subprocess.PIPE) as following:  # type: ignore[misc]
            assert following.stderr
            following.stderr.readline()
            following.send_signal(signal.SIGINT)
            self.assertEqual(following.wait(10), 0)
        os.close(worker)
        self.until_gone(service)

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
    def test_the_service_runs_as_the_account(self) -> None:
        launcher, _, user = self.start(60, "--account", "nobody")
        self.assertEqual(user, 65534)
        launcher.send_signal(signal.SIGINT)
        self.assertEqual(launcher.wait(10), 0)

    def until_gone(self, pid: int) -> None:
        self.assertTrue(ends_within(pid, 10))


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def ends_within(pid: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while lives(pid):
        if time.monotonic() >= end:
            return False
        time.sleep(0.02)
    return True


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
