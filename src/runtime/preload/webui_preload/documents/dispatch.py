"""The preload process's part: takes jobs from workers, forks a helper for each, and says what came of it.

worker                            preload process
{"role": "document", "job": …} →
                                ← {"type": "place", "place": 3}     how many come before it, and itself
                                ← {"type": "place", "place": 0}     its turn has come …
{"type": "go"}                 →                                    … and the worker writes no more about it
                                ← {"type": "ended", "reason": ""}   or why its process ended before the job did
"""

import os
import signal
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from ..contract import Frames
from ..log import complain, say
from ..protocol import Frame, ProtocolError, text
from ..settings import DocumentSettings
from ..signals import signal_name
from .helper import EXIT_DONE, Task
from .jobs import Job, Jobs, is_name
from .limits import LONGEST
from .line import Entry, Line

#: Seconds until another attempt to fork.
PAUSE = 1.0

#: Seconds between two places of a job: its worker writes each into the database, for each job that waits.
PLACES_INTERVAL = 5.0

#: How often a document may be begun: each time the preload process ended before the document did.
MOST_STARTS = 3


class Peer(Protocol):
    """A worker's connection."""

    def send(self, frame: Frame) -> bool: ...


class _Running:
    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.deadline = time.monotonic() + LONGEST
        self.is_late = False


class Dispatcher:
    """Of one start. ``fork`` runs a task in a child of its own and returns the child's pid; it may raise OSError."""

    def __init__(self, settings: DocumentSettings, jobs: Jobs, fork: Callable[[Task], int]) -> None:
        self._settings = settings
        self._jobs = jobs
        self._fork = fork
        self._line = Line(max(1, settings.at_once))
        self._entries: dict[str, Entry] = {}
        self._peers: dict[Entry, Peer] = {}
        self._told: dict[Entry, int] = {}
        #: Those whose turn has come, and whose worker has said "go", or is not there any more.
        self._due: list[Entry] = []
        self._running: dict[int, _Running] = {}
        self._retry_at = 0.0
        self._places_at = 0.0
        self._has_taken_up = False

    # --- the workers ----------------------------------------------------------------------------

    def attach(self, peer: Peer, name: str) -> None:
        """A worker waits for the job; raises ProtocolError where that is no job's name."""
        if not is_name(name):
            raise ProtocolError("no usable 'job'")
        entry = self._entries.get(name)
        if entry is None:
            job = self._jobs.get(name)
            if job is None:
                peer.send({"type": Frames.ENDED, "reason": ""})  # while the worker was looking for us
                return
            entry = self._join(job)
        self._peers[entry] = peer
        self._told.pop(entry, None)

    def hear(self, peer: Peer, frame: Frame) -> None:
        """Raises ProtocolError."""
        if text(frame, "type") != Frames.GO:
            raise ProtocolError("a frame that is not known")
        for entry in self._entries_of(peer):
            if self._told.get(entry) == 0:
                self._make_due(entry)

    def detach(self, peer: Peer) -> None:
        """The worker has ended, or waits no more."""
        for entry in self._entries_of(peer):
            del self._peers[entry]
            if entry.job.kind == "index" and not self._is_running(entry):
                self._forget(entry)
            elif self._told.get(entry) == 0:
                self._make_due(entry)

    # --- the fork server's loop -----------------------------------------------------------------

    def wait(self) -> float | None:
        """Seconds until `work` has something to do though nothing happens."""
        times = [running.deadline for running in self._running.values() if not running.is_late]
        if self._due:
            times.append(self._retry_at)
        if self._line.is_waited_in():
            times.append(self._places_at)
        return max(0.0, min(times) - time.monotonic()) if times else None

    def work(self) -> None:
        """Fork what may run, end what takes too long, tell the others their places."""
        if not self._has_taken_up:
            self._take_up()
        while entry := self._line.next():
            if entry.reason or not self._tell(entry, 0):
                self._make_due(entry)
        for entry in self._due[:]:
            if time.monotonic() >= self._retry_at:
                self._start(entry)
        self._tell_places()
        for pid, running in self._running.items():
            if time.monotonic() >= running.deadline and not running.is_late:
                running.is_late = True
                os.kill(pid, signal.SIGKILL)

    def exited(self, pid: int, status: int) -> bool:
        """Whether the process was a helper."""
        running = self._running.pop(pid, None)
        if running is None:
            return False
        entry = running.entry
        self._line.leave(entry)
        reason = "" if os.waitstatus_to_exitcode(status) == EXIT_DONE else self._reason(running, status)
        if reason:
            complain(f"the document {entry.job.file_id}: {reason}")
        if reason and not entry.reason and entry.job.kind == "upload":
            # Its worker may be gone: another helper writes it down.
            entry.reason = reason
            self._line.join_first(entry)
        else:
            self._end(entry, reason or entry.reason)
        return True

    def stop(self) -> None:
        """End what runs, for the end of this process or what takes its place: the next start begins it anew."""
        for pid in self._running:
            os.kill(pid, signal.SIGKILL)
        for pid in self._running:
            os.waitpid(pid, 0)
        self._running.clear()

    # --- the line -------------------------------------------------------------------------------

    def _take_up(self) -> None:
        self._has_taken_up = True
        jobs = [job for job in self._jobs.left() if job.name not in self._entries]
        for job in jobs:
            if job.kind == "upload":
                self._join(job)
            else:
                self._jobs.remove(job)  # the request that waits for it brings it again
        if self._entries:
            say(f"documents that an earlier start left: {len(self._entries)}")

    def _join(self, job: Job) -> Entry:
        entry = self._entries[job.name] = Entry(job)
        self._line.join(entry)
        return entry

    def _start(self, entry: Entry) -> None:
        settings = self._settings
        try:
            starts = self._jobs.begin(entry.job)
            if starts > MOST_STARTS and not entry.reason:
                entry.reason = f"it was interrupted {MOST_STARTS} times; upload it again"
            pid = self._fork(Task(entry.job, self._jobs, settings, starts > 1, entry.reason))
        except OSError as error:
            complain(f"no process for a document: {error.strerror}. Trying again.")
            self._retry_at = time.monotonic() + PAUSE
            return
        self._due.remove(entry)
        self._running[pid] = _Running(entry)

    def _end(self, entry: Entry, reason: str) -> None:
        self._jobs.remove(entry.job)
        if peer := self._peers.get(entry):
            peer.send({"type": Frames.ENDED, "reason": reason})
        elif entry.job.kind == "index":
            self._jobs.take_result(entry.job)
        self._forget(entry)

    def _forget(self, entry: Entry) -> None:
        self._jobs.remove(entry.job)
        self._line.leave(entry)
        del self._entries[entry.job.name]
        self._peers.pop(entry, None)
        self._told.pop(entry, None)
        if entry in self._due:
            self._due.remove(entry)

    def _make_due(self, entry: Entry) -> None:
        if entry not in self._due and not self._is_running(entry):
            self._due.append(entry)

    def _tell(self, entry: Entry, place: int) -> bool:
        """Whether there is a worker that knows it."""
        peer = self._peers.get(entry)
        if peer is None:
            return False
        if self._told.get(entry) != place:
            self._told[entry] = place
            return peer.send({"type": Frames.PLACE, "place": place})
        return True

    def _tell_places(self) -> None:
        now = time.monotonic()
        is_time = now >= self._places_at
        for place, entry in self._line.places():
            if is_time or entry not in self._told:
                self._tell(entry, place)
        if is_time:
            self._places_at = now + PLACES_INTERVAL

    def _is_running(self, entry: Entry) -> bool:
        return any(running.entry is entry for running in self._running.values())

    def _entries_of(self, peer: Peer) -> Iterable[Entry]:
        return [entry for entry, one in self._peers.items() if one is peer]

    def _reason(self, running: _Running, status: int) -> str:
        code = os.waitstatus_to_exitcode(status)
        if running.is_late:
            return f"processing it took more than {LONGEST // 60} minutes"
        if code == -signal.SIGXCPU:
            return f"reading it took more than {self._settings.seconds} seconds of computing time"
        if code == -signal.SIGKILL:
            return "its process was killed, as the system does where memory is short"
        if code < 0:
            return f"its process crashed ({signal_name(-code)})"
        return f"its process ended with code {code}; the log of the preload process says why"
