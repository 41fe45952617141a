"""Takes connections only while there are descriptors for them.

Connections that take the last descriptor leave none for what their requests open: files, models, the database. What
is not accepted waits in the queue that all workers share, for one that has room. (asyncio's own servers would do
worse: libuv, under uvloop, accepts a connection for which there is no descriptor only to close it.)
"""

import asyncio
import os
import resource
import time
from collections.abc import Callable, Sized

from ..log import complain, say

#: Seconds between two looks whether some have gone. That some have come is seen with each of them: a burst takes less
#: than a look.
INTERVAL = 0.1

#: Share of the free descriptors that connections may take. The rest is for what requests open: files, the database,
#: models.
SHARE = 0.75

#: Share of that below which connections are taken again, so that it does not change with every one.
RESUME_SHARE = 0.9


def most_connections(limit: int, others: int) -> int:
    """How many connections fit beside ``others`` descriptors under ``limit`` (RLIMIT_NOFILE)."""
    return max(1, int((limit - others) * SHARE))


class Admission:
    """Closes ``servers`` while there are too many ``connections``; ``listen`` makes one that takes them again."""

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
        """A connection has been taken: stop, where it was the last that fits."""
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
        """Look for ever whether connections can be taken again."""
        while True:
            self.look()
            await asyncio.sleep(INTERVAL)

    def look(self) -> None:
        """Go on, where enough have gone."""
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
