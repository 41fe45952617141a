"""Takes connections only while there are descriptors for them.

A connection that takes the last descriptor leaves none for what its request opens: files, models, the database. A
connection that is not accepted waits in the queue of all workers, for one that has room. (asyncio's own servers do
worse: where no descriptor is left, libuv, under uvloop, accepts a connection only to close it.)
"""

import asyncio
import os
import resource
import time
from collections.abc import Callable, Sized

from ..log import complain, say

#: Seconds between two looks for connections that have ended. New ones are counted as they come, because a burst is
#: faster than this.
INTERVAL = 0.1

#: Share of the free descriptors that connections may take. The rest is for what their requests open.
SHARE = 0.75

#: Connections are accepted again below this share of the most, so that not each single one starts and stops it.
RESUME_SHARE = 0.9


def most_connections(limit: int, others: int) -> int:
    """How many connections fit beside ``others`` descriptors under ``limit`` (RLIMIT_NOFILE)."""
    return max(1, int((limit - others) * SHARE))


class Admission:
    """Closes ``servers`` while there are too many ``connections``; ``listen`` makes a server that accepts again."""

    def __init__(
        self,
        servers: Callable[[], list[asyncio.Server]],
        connections: Sized,
        listen: Callable[[], asyncio.Server],
    ) -> None:
        self._servers = servers
        self._connections = connections
        self._listen = listen
        self._others = len(os.listdir("/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"))
        self._paused_at: float | None = None

    def connected(self) -> None:
        """A connection has come: accept no more, if it was the last that fits."""
        most = self._most()
        if most is None or self._paused_at is not None or len(self._connections) < most:
            return
        self._paused_at = time.monotonic()
        for server in self._servers():
            server.close()
        self._servers().clear()
        complain(
            f"{len(self._connections)} connections are all that the limit of open files ({_limit()}) allows; further "
            "ones wait, or go to other workers. Raise it (ulimit -n)"
        )

    async def watch(self) -> None:
        """Look for ever whether connections can be accepted again."""
        while True:
            self.look()
            await asyncio.sleep(INTERVAL)

    def look(self) -> None:
        """Accept again, if enough connections have ended."""
        most = self._most()
        if self._paused_at is None or (most is not None and len(self._connections) >= most * RESUME_SHARE):
            return
        self._servers().append(self._listen())
        say(f"connections are taken again, after {time.monotonic() - self._paused_at:.1f} s")
        self._paused_at = None

    def _most(self) -> int | None:
        limit = _limit()
        return None if limit == resource.RLIM_INFINITY else most_connections(limit, self._others)


def _limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
