"""Runs a service that Open WebUI needs, and holds its stop back until no worker needs it any more.

    hold.py --name NAME --folder DIR --run-folder DIR --seconds N [--grace N] [--account USER] -- PROGRAM [ARGUMENT …]

``pm2 stop all``, ``pm2 kill`` and a shutdown of the machine stop each app without regard to the others: PostgreSQL
would be gone before workers that drain have saved the answers that they are generating.

There are two processes. PM2 knows the launcher; its child, the keeper, is the parent of the service. When PM2 asks
for a stop while workers live, the launcher ends at once, because PM2 stops no more than two apps at a time, and the
workers may be next. The keeper ends the service once the last of them is gone, or after N seconds.
"""

import argparse
import os
import pwd
import select
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from webui_preload.contract import RunFolder
from webui_preload.kernel import end_with_parent, take_lock

#: Seconds in which the preload process has to go as well, for a stop to be one of the whole installation. With a load
#: of ten, PM2 takes more than three from one app to the next.
GRACE = 15.0

#: Seconds between two looks at the workers' locks: the kernel has no way to wait for a while.
LOOK_INTERVAL = 0.2

#: What the launcher is told: the service runs; its stop is held back.
RUNS, HELD = b"r", b"h"

#: What the keeper is told. The end of the pipe says that the launcher was killed.
STOP = b"s"

#: A fast shutdown of PostgreSQL (its manual, "Shutting Down the Server"); Valkey takes it for a stop, too.
STOP_SIGNAL = signal.SIGINT


@dataclass(frozen=True)
class Options:
    name: str
    #: Where the service works.
    folder: Path
    run_folder: Path
    seconds: float
    grace: float
    #: The account that the service runs as; None: this process's own.
    account: str | None
    command: list[str]


def launch(options: Options) -> NoReturn:
    """The launcher: starts the keeper, and passes PM2's stop on."""
    signals = {signal.SIGINT, signal.SIGTERM, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    orders, ordering = os.pipe()
    answers, answering = os.pipe()
    keeper = os.fork()
    if not keeper:
        os.close(ordering)
        os.close(answers)
        os._exit(Keeper(options, orders, answering).run())
    os.close(orders)
    os.close(answering)
    while True:
        if signal.sigwait(signals) == signal.SIGCHLD:
            pid, status = os.waitpid(keeper, os.WNOHANG)
            if pid:
                os._exit(_code_of(status))
        else:
            os.write(ordering, STOP)
            while answer := os.read(answers, 1):
                if answer == HELD:
                    os._exit(0)
            os._exit(_code_of(os.waitpid(keeper, 0)[1]))


class Keeper:
    """The parent of the service, with a session of its own: it outlives its launcher."""

    def __init__(self, options: Options, orders: int, answers: int) -> None:
        self._options = options
        self._orders = orders
        self._answers = answers
        self._service = 0
        self._status: int | None = None

    def run(self) -> int:
        """The exit code of the service."""
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda _number, _frame: self._end())
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _ignore)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        if self._wait_for_former():
            self._service = _start(self._options)
            self._wait(reader)
        return _code_of(self._status or 0)

    def _wait_for_former(self) -> bool:
        """Take the lock of the service, which a keeper that holds a stop back still has; False: stop."""
        os.chdir(self._options.folder)
        lock = os.open(f".{self._options.name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        told = False
        while not take_lock(lock):
            if not told:
                _say(f"waiting: {self._options.name} still serves workers that drain")
                told = True
            if select.select([self._orders], [], [], LOOK_INTERVAL)[0]:
                return False
        return True

    def _wait(self, wakeups: int) -> None:
        """Until the service has ended: by itself, or because it was told to."""
        ordered = False
        end = left = float("inf")
        while self._status is None:
            now = time.monotonic()
            sources = [wakeups] if ordered else [wakeups, self._orders]
            ready, _, _ = select.select(sources, [], [], LOOK_INTERVAL if end < float("inf") else None)
            if wakeups in ready:
                os.read(wakeups, 4096)
                self._reap()
            elif self._orders in ready:
                ordered = True
                if os.read(self._orders, 1) == STOP and self._is_needed():
                    os.write(self._answers, HELD)
                    left, end = now + self._options.grace, now + self._options.seconds
                else:
                    self._end()
            elif end < float("inf") and (now >= end or not self._is_needed() or (now >= left and self._is_kept())):
                end = float("inf")
                self._end()

    def _end(self) -> None:
        if self._service and self._status is None:
            os.kill(self._service, STOP_SIGNAL)

    def _reap(self) -> None:
        pid, status = os.waitpid(self._service, os.WNOHANG)
        if pid:
            self._status = status

    def _is_needed(self) -> bool:
        """Whether a preload process or a worker of any generation lives: each holds a lock (generation.py)."""
        locks = self._options.run_folder.glob(f"{RunFolder.GENERATION}*/{RunFolder.GENERATION_LOCK}")
        return self._is_kept() or any(map(_is_held, locks))

    def _is_kept(self) -> bool:
        """Whether a preload process lives: then the service alone was told to stop, not all of them."""
        return _is_held(self._options.run_folder / RunFolder.LOCK)


def _start(options: Options) -> int:
    keeper = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        if options.account:
            entry = pwd.getpwnam(options.account)
            os.initgroups(entry.pw_name, entry.pw_gid)
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)
        end_with_parent(STOP_SIGNAL)  # nobody would end a service whose keeper was killed
        if os.getppid() != keeper:
            os._exit(0)
        os.execv(options.command[0], options.command)
    except (OSError, KeyError) as error:
        _say(f"cannot start {options.command[0]}: {error}")
    os._exit(127)


def _is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not take_lock(descriptor)
    finally:
        os.close(descriptor)


def _code_of(status: int) -> int:
    """As a shell says it: 128 and the number of a signal."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """The pipe of set_wakeup_fd says it."""


def _say(message: str) -> None:
    print(f"[hold] {message}", file=sys.stderr, flush=True)


def _read_options() -> Options:
    parser = argparse.ArgumentParser(description="Run a service, and hold its stop back while workers need it.")
    parser.add_argument("--name", required=True)
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--run-folder", required=True, type=Path)
    parser.add_argument("--seconds", required=True, type=float)
    parser.add_argument("--grace", default=GRACE, type=float)
    parser.add_argument("--account")
    parser.add_argument("command", nargs="+")
    return Options(**vars(parser.parse_args()))


if __name__ == "__main__":
    launch(_read_options())
