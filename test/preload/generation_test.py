import os
import stat
import tempfile
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

from webui_preload.forking import control
from webui_preload.generation import (
    AlreadyRunning,
    Generation,
    live_generations,
    lock_installation,
    wait_for_other_versions,
)
from webui_preload.run_folder import make_run_folder


class GenerationTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.run_folder = Path(folder.name) / "run"
        make_run_folder(self.run_folder)

    def worker_of(self, generation: Generation) -> tuple[int, int]:
        """A child that holds the generation until the returned descriptor is closed, then leaves it."""
        reader, writer = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(writer)
            os.read(reader, 1)
            generation.leave()
            os._exit(0)
        os.close(reader)
        return pid, writer

    def test_each_start_has_static_files_of_its_own(self) -> None:
        first, second = (Generation(self.run_folder, name, "0.12.4") for name in ("a", "b"))
        self.assertNotEqual(first.static_folder(), second.static_folder())
        self.assertNotEqual(first.static_folder(1), first.static_folder(2))

    def test_the_last_process_of_a_generation_removes_its_folder(self) -> None:
        generation = Generation(self.run_folder, "a", "0.12.4")
        pid, writer = self.worker_of(generation)
        generation.leave()
        self.assertEqual(live_generations(self.run_folder), [generation.folder])
        os.close(writer)
        os.waitpid(pid, 0)
        self.assertFalse(generation.folder.exists())

    def test_what_a_killed_generation_left_is_removed(self) -> None:
        dead = self.run_folder / "generation-dead"
        (dead / "static").mkdir(parents=True)
        (dead / "lock").touch()
        self.assertEqual(live_generations(self.run_folder), [])
        self.assertFalse(dead.exists())

    def test_another_version_waits_until_the_last_worker_has_left(self) -> None:
        old = Generation(self.run_folder, "old", "0.12.4")
        pid, writer = self.worker_of(old)
        os.close(old._lock)  # the old preload process is gone, its worker is not
        waited = threading.Event()

        def wait() -> None:
            wait_for_other_versions(self.run_folder, "0.13.0")
            waited.set()

        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        self.assertFalse(waited.wait(0.3), "two versions must not serve one database")
        os.close(writer)
        os.waitpid(pid, 0)
        self.assertTrue(waited.wait(5))

    def test_the_same_version_does_not_wait(self) -> None:
        Generation(self.run_folder, "old", "0.12.4")
        wait_for_other_versions(self.run_folder, "0.12.4")


class InstallationTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.run_folder = Path(folder.name) / "run"
        make_run_folder(self.run_folder)

    @unittest.skipUnless(os.geteuid() == 0, "only root can make what is another's")
    def test_a_link_that_another_user_made_is_not_followed(self) -> None:
        link = self.run_folder.with_name("link")
        link.symlink_to(self.run_folder)
        make_run_folder(link)  # our own
        os.chown(link, 65534, 65534, follow_symlinks=False)
        with self.assertRaisesRegex(PermissionError, "belongs to user 65534"):
            make_run_folder(link)

    def test_a_second_preload_process_is_told_of_the_first(self) -> None:
        lock = lock_installation(self.run_folder)
        with self.assertRaisesRegex(AlreadyRunning, f"pid {os.getpid()}"):
            lock_installation(self.run_folder, patience=0)
        os.close(lock)
        os.close(lock_installation(self.run_folder))

    def test_a_second_preload_process_waits_for_one_that_leaves(self) -> None:
        lock = lock_installation(self.run_folder)
        waits = threading.Event()
        says = mock.patch("webui_preload.generation.say", side_effect=lambda _words: waits.set())
        with says, ThreadPoolExecutor() as other:
            second = other.submit(lock_installation, self.run_folder)
            self.assertTrue(waits.wait(10))
            self.assertFalse(second.done())
            os.close(lock)
            os.close(second.result(10))

    def test_the_control_socket_is_for_this_user_alone_and_takes_the_place_of_a_stale_one(self) -> None:
        path = self.run_folder / "control.sock"
        control.listen(path).close()
        self.assertTrue(path.exists(), "a process that was killed leaves it behind")
        with control.listen(path):
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.run_folder.stat().st_mode), 0o700)

    def test_a_folder_that_others_can_enter_is_closed_to_them(self) -> None:
        self.run_folder.chmod(0o777)
        make_run_folder(self.run_folder)
        self.assertEqual(stat.S_IMODE(self.run_folder.stat().st_mode), 0o700)
