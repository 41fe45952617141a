import tempfile
import unittest
from pathlib import Path
from unittest import mock

from webui_preload.documents.jobs import Job, Jobs


class JobsTest(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.jobs = Jobs(self.folder)
        self.job = Job("upload", "file", "user", {"path": "/a/ü.pdf", "metadata": {}})

    def test_keeps_a_job_for_its_user_alone(self) -> None:
        self.jobs.put(self.job)
        self.assertEqual(self.jobs.get(self.job.name), self.job)
        (path,) = (self.folder / "documents").iterdir()
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        self.assertEqual(path.parent.stat().st_mode & 0o777, 0o700)

    def test_finds_what_is_left_the_oldest_first(self) -> None:
        self.assertEqual(self.jobs.left(), [])
        other = Job("index", "other", "user", {})
        self.jobs.put(other)
        self.jobs.put(self.job)
        (self.folder / "documents" / "notes.job").write_text("{}")
        (self.folder / "documents" / f"{'0' * 32}.job").write_text("no JSON")
        self.assertEqual(self.jobs.left(), [other, self.job])

    def test_counts_how_often_a_job_has_begun(self) -> None:
        self.jobs.put(self.job)
        self.assertEqual([self.jobs.begin(self.job), self.jobs.begin(self.job)], [1, 2])
        self.jobs.remove(self.job)
        self.assertEqual(list((self.folder / "documents").iterdir()), [])

    def test_a_result_is_taken_once(self) -> None:
        self.jobs.put(self.job)
        self.jobs.put_result(self.job, {"value": 1})
        self.assertEqual(self.jobs.take_result(self.job), {"value": 1})
        self.assertIsNone(self.jobs.take_result(self.job))

    def test_a_full_disk_leaves_no_half_of_a_job(self) -> None:
        self.jobs.put(self.job)
        with (
            mock.patch("webui_preload.documents.jobs.json.dump", side_effect=OSError(28, "No space left on device")),
            self.assertRaises(OSError),
        ):
            self.jobs.put(Job("upload", "next", "user", {}))
        self.assertEqual(self.jobs.left(), [self.job])
