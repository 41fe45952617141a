import os
import signal
import tempfile
import time
import unittest
from pathlib import Path
from typing import NoReturn
from unittest import mock

from webui_preload.documents import dispatch
from webui_preload.documents.dispatch import MOST_STARTS, Dispatcher
from webui_preload.documents.helper import Task
from webui_preload.documents.jobs import Job, Jobs, Kind
from webui_preload.protocol import Frame, ProtocolError
from webui_preload.settings import DocumentSettings


class Worker:
    """The end of a connection."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def send(self, frame: Frame) -> bool:
        self.frames.append(frame)
        return True

    def places(self) -> list[int]:
        return [frame["place"] for frame in self.frames if frame["type"] == "place"]

    def reasons(self) -> list[str]:
        return [frame["reason"] for frame in self.frames if frame["type"] == "ended"]


class DispatcherTest(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.jobs = Jobs(self.folder)
        self.tasks: dict[int, Task] = {}
        self.dispatcher = self.start()
        self.enterContext(mock.patch.object(dispatch, "PLACES_INTERVAL", 0.0))
        self.enterContext(mock.patch.object(dispatch, "complain"))
        self.enterContext(mock.patch.object(dispatch, "say"))
        self.addCleanup(lambda: self.dispatcher.stop())

    def start(self, at_once: int = 1) -> Dispatcher:
        return Dispatcher(DocumentSettings(at_once), self.jobs, self.fork)

    def fork(self, task: Task) -> int:
        """A child that waits to be told how to end."""
        pid = os.fork()
        if not pid:
            pause()
        self.tasks[pid] = task
        return pid

    def hand_over(self, kind: Kind = "upload", *, name: str = "a.pdf") -> tuple[Job, Worker]:
        job = Job(kind, name, "user", {})
        self.jobs.put(job)
        worker = Worker()
        self.dispatcher.attach(worker, job.name)
        self.dispatcher.work()
        return job, worker

    def go(self, worker: Worker) -> int:
        """The pid of the helper for the job of ``worker``."""
        before = set(self.tasks)
        self.dispatcher.hear(worker, {"type": "go"})
        self.dispatcher.work()
        (pid,) = set(self.tasks) - before
        return pid

    def end(self, pid: int, *, by: int | None = None, status: int = 0) -> None:
        """The helper ends by a signal, or with a status."""
        os.kill(pid, by or signal.SIGKILL)
        _, killed = os.waitpid(pid, 0)
        self.assertTrue(self.dispatcher.exited(pid, killed if by else status))
        self.dispatcher.work()

    def test_a_job_begins_once_its_worker_writes_no_more_about_it(self) -> None:
        job, worker = self.hand_over()
        self.assertEqual((worker.places(), self.tasks), ([0], {}))
        pid = self.go(worker)
        self.assertEqual(self.tasks[pid].job, job)
        self.end(pid)
        self.assertEqual(worker.reasons(), [""])
        self.assertEqual(self.jobs.left(), [])

    def test_the_others_wait_and_know_their_places(self) -> None:
        _, first = self.hand_over()
        _, second = self.hand_over()
        _, third = self.hand_over()
        pid = self.go(first)
        self.end(pid)
        self.assertEqual(second.places(), [1, 0])
        self.assertEqual(third.places(), [2, 1])

    def test_does_not_tell_every_step(self) -> None:
        with mock.patch.object(dispatch, "PLACES_INTERVAL", 60.0):
            _, first = self.hand_over()
            _, second = self.hand_over()
            _, third = self.hand_over()
            self.end(self.go(first))
            self.end(self.go(second))
            self.assertEqual(third.places(), [2, 0])
            wait = self.dispatcher.wait()
            self.assertIsNone(wait)

    def test_a_helper_that_is_killed_fails_its_file_alone_and_another_helper_writes_that_down(self) -> None:
        _, first = self.hand_over(name="bad")
        _, second = self.hand_over(name="good")
        self.end(self.go(first), by=signal.SIGSEGV)
        ((writer, task),) = ((pid, task) for pid, task in self.tasks.items() if task.reason)
        self.assertEqual((task.job.file_id, task.reason), ("bad", "its process crashed (SIGSEGV)"))
        self.assertEqual(first.reasons(), [])
        self.end(writer)
        self.assertEqual(first.reasons(), ["its process crashed (SIGSEGV)"])
        self.end(self.go(second))
        self.assertEqual(second.reasons(), [""])

    def test_says_why_a_helper_ended(self) -> None:
        for how, words in ((signal.SIGXCPU, "600 seconds of computing"), (signal.SIGKILL, "memory is short")):
            _, worker = self.hand_over("index")
            self.end(self.go(worker), by=how)
            self.assertIn(words, worker.reasons()[0])
        _, worker = self.hand_over("index")
        self.end(self.go(worker), status=70 << 8)
        self.assertIn("code 70", worker.reasons()[0])

    def test_a_document_that_takes_too_long_is_ended(self) -> None:
        with mock.patch.object(dispatch, "LONGEST", 0):
            _, worker = self.hand_over("index")
            pid = self.go(worker)
            _, status = os.waitpid(pid, 0)
            self.dispatcher.exited(pid, status)
        self.assertIn("more than 0 minutes", worker.reasons()[0])

    def test_an_upload_goes_on_without_its_worker(self) -> None:
        job, worker = self.hand_over()
        self.dispatcher.detach(worker)
        self.dispatcher.work()
        ((pid, task),) = self.tasks.items()
        self.assertEqual(task.job, job)
        self.end(pid)
        self.assertEqual(self.jobs.left(), [])

    def test_what_a_request_waited_for_is_dropped_with_the_request(self) -> None:
        _, worker = self.hand_over("index")
        self.dispatcher.detach(worker)
        self.dispatcher.work()
        self.assertEqual((self.tasks, self.jobs.left()), ({}, []))
        _, other = self.hand_over()
        self.go(other)  # its turn is free

    def test_the_next_start_begins_uploads_anew_and_leaves_the_rest_to_its_requests(self) -> None:
        _, upload = self.hand_over()
        pid = self.go(upload)
        self.hand_over("index")
        self.dispatcher.stop()
        self.dispatcher = self.start()
        self.dispatcher.work()
        del self.tasks[pid]
        ((_, task),) = self.tasks.items()
        self.assertTrue(task.is_again)
        self.assertEqual(task.job.kind, "upload")
        self.assertEqual([job.kind for job in self.jobs.left()], ["upload"])

    def test_a_worker_finds_its_job_at_the_next_start(self) -> None:
        job, _ = self.hand_over()
        self.dispatcher = self.start()
        again = Worker()
        self.dispatcher.attach(again, job.name)
        self.dispatcher.work()
        self.end(self.go(again))
        self.assertEqual(again.reasons(), [""])
        # And where it has ended meanwhile.
        late = Worker()
        self.dispatcher.attach(late, job.name)
        self.assertEqual(late.reasons(), [""])

    def test_what_is_interrupted_again_and_again_fails(self) -> None:
        job = Job("upload", "a.pdf", "user", {})
        self.jobs.put(job)
        for _ in range(MOST_STARTS):
            self.jobs.begin(job)
        self.dispatcher.work()
        ((_, task),) = self.tasks.items()
        self.assertIn("interrupted 3 times", task.reason)

    def test_tries_again_where_no_process_can_be_forked(self) -> None:
        fork = mock.Mock(side_effect=OSError(11, "Resource temporarily unavailable"))
        self.dispatcher = Dispatcher(DocumentSettings(1), self.jobs, fork)
        job, worker = self.hand_over()
        self.dispatcher.hear(worker, {"type": "go"})
        self.dispatcher.work()
        self.dispatcher.work()
        fork.assert_called_once()
        wait = self.dispatcher.wait()
        assert wait is not None
        self.assertTrue(0 < wait <= dispatch.PAUSE)
        fork.side_effect = self.fork
        with mock.patch("webui_preload.documents.dispatch.time.monotonic", return_value=time.monotonic() + wait):
            self.dispatcher.work()
        self.assertEqual([task.job for task in self.tasks.values()], [job])

    def test_takes_no_name_that_would_lead_out_of_its_folder(self) -> None:
        for name in ("../../etc/passwd", "a" * 31, "A" * 32, ""):
            with self.assertRaises(ProtocolError):
                self.dispatcher.attach(Worker(), name)

    def test_hears_nothing_else(self) -> None:
        _, worker = self.hand_over()
        with self.assertRaises(ProtocolError):
            self.dispatcher.hear(worker, {"type": "stop"})


def pause() -> NoReturn:
    while True:
        signal.pause()
