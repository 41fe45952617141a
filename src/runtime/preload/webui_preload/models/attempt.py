"""One run of the program that fetches models, as its parent sees it."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

#: Seconds without a byte after which a download is given up. The next attempt resumes it.
STALL_SECONDS = 10


class Attempt:
    """Starts the program at once. Whoever waits for its process calls `ended` with the status."""

    def __init__(self, models: list[str], environ: Mapping[str, str], reach_seconds: int) -> None:
        self._reach_seconds = reach_seconds
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._text = b""
        self._is_open = True
        folder = str(Path(__file__).parent.parent.parent)
        path = f"{folder}:{environ['PYTHONPATH']}" if environ.get("PYTHONPATH") else folder
        command = [sys.executable, "-m", "webui_preload.models.fetch"]
        try:
            self._process = subprocess.Popen(
                [*command, str(writer), str(reach_seconds), str(STALL_SECONDS), *models],
                env={**environ, "PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                pass_fds=[writer],
            )
        finally:
            os.close(writer)
        self._models = models
        self._reached = False
        self._reasons: dict[str, str] | None = None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_reached(self) -> bool:
        """Whether the hub has answered."""
        self._read()
        return self._reached

    def wait(self, seconds: float | None) -> bool:
        """Whether the program reported its outcome, or ended, within ``seconds``; None: no limit."""
        end = None if seconds is None else time.monotonic() + seconds
        while self._is_open and self._reasons is None:
            left = None if end is None else max(0.0, end - time.monotonic())
            if not select.select([self._reader], [], [], left)[0]:
                return False
            self._read()
        return True

    def reasons(self, status: int | None) -> dict[str, str]:
        """Why each model could not be fetched; empty where it was. ``status``: from os.waitpid, if known."""
        self._read()
        if self._reasons is not None:
            return self._reasons
        return dict.fromkeys(self._models, self._without_last_word(status))

    def _without_last_word(self, status: int | None) -> str:
        if self._reached:
            return f"nothing more came of it for {STALL_SECONDS} s"
        if status is None or (os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGALRM, signal.SIGKILL)):
            return f"no answer within {self._reach_seconds} s"
        return "the program that fetches it failed; its log lines are above"

    def kill(self) -> None:
        """Kill the program, and wait for its end. What it has reported is kept."""
        self._process.kill()
        self._process.wait()
        self.close()

    def ended(self, status: int) -> None:
        """The program has ended, and others have waited for it."""
        self._process.returncode = os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        """Close the pipe, in a forked child too."""
        if self._reader >= 0:
            os.close(self._reader)
            self._reader = -1
        self._is_open = False

    def _read(self) -> None:
        while self._is_open:
            try:
                data = os.read(self._reader, 65536)
            except BlockingIOError:
                return
            if not data:
                self.close()
                return
            self._text += data
            *lines, self._text = self._text.split(b"\n")
            for line in lines:
                frame = json.loads(line)
                if frame["type"] == "reached":
                    self._reached = True
                else:
                    self._reasons = frame["reasons"]
