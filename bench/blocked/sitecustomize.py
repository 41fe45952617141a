"""Writes down what a worker's event loop was doing when it stood still. Python imports it by itself (site.py).

A thread of each forked worker looks every few milliseconds whether the loop has turned. While it has not, the thread
notes where the main thread is. Each blockage becomes one line of JSON in the file named by BLOCKED_LOG.
"""

import asyncio
import collections
import gc
import json
import os
import sys
import threading
import time
from types import FrameType

LOG = os.environ.get("BLOCKED_LOG", "")

#: Seconds between two turns that the loop should make, between two looks, and of the shortest blockage that is told.
TURN, LOOK, SHORTEST = 0.005, 0.01, 0.05


class _Watch:
    def __init__(self) -> None:
        self._main = threading.main_thread().ident
        self._turned = time.monotonic()
        self._collecting = 0.0
        self._collected = 0.0
        gc.callbacks.append(self._collection)

    def _collection(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._collecting = time.monotonic()
        else:
            self._collected += time.monotonic() - self._collecting

    def follow(self, loop: asyncio.AbstractEventLoop) -> None:
        def turn() -> None:
            self._turned = time.monotonic()
            self._collected = 0.0
            loop.call_later(TURN, turn)

        loop.call_soon(turn)
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        seen: collections.Counter[str] = collections.Counter()
        since = collected = 0.0
        while True:
            time.sleep(LOOK)
            turned, now = self._turned, time.monotonic()
            if seen and turned != since:
                if turned - since >= SHORTEST:
                    _write(turned - since, seen, collected)
                seen.clear()
            if now - turned > 3 * TURN:
                since, collected = turned, self._collected
                seen[_where(sys._current_frames().get(self._main or 0))] += 1


def _where(frame: FrameType | None) -> str:
    """The call chain, innermost first: functions of the app, and the innermost of all."""
    names: list[str] = []
    while frame:
        path = frame.f_code.co_filename
        name = f"{'/'.join(path.split('/')[-2:])}:{frame.f_code.co_name}"
        if not names or ("/open_webui/" in path and len(names) < 4):
            names.append(name)
        frame = frame.f_back
    return " < ".join(names)


def _write(seconds: float, seen: "collections.Counter[str]", collected: float) -> None:
    (where, count), *_ = seen.most_common(1)
    shares = {"where": where, "share": round(count / seen.total(), 2), "collected": round(collected * 1000)}
    line = {"ms": round(seconds * 1000), **shares}
    with open(LOG, "a") as file:
        file.write(json.dumps(line) + "\n")


def _watch_forked() -> None:
    set_event_loop = asyncio.set_event_loop

    def watched(loop: asyncio.AbstractEventLoop | None) -> None:
        set_event_loop(loop)
        if loop:
            _Watch().follow(loop)

    asyncio.set_event_loop = watched


if LOG:
    os.register_at_fork(after_in_child=_watch_forked)
