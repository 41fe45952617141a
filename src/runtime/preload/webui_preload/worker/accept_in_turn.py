"""Takes new connections in turn with the other workers.

All workers wait on one listening socket. An asyncio server accepts all connections in the queue as soon as it wakes:
those that a browser opens at once, or a proxy keeps, would all go to one worker while another idles. Here a worker
accepts one connection at a time. While another worker holds fewer connections, it first gives that one DEFERRAL
seconds to accept it.
"""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Any

from ..log import complain
from .loads import Load

#: Seconds that a worker leaves a connection to another that holds fewer. A worker that idles takes it at once. A busy
#: one may take longer, and then the connection is better off here.
DEFERRAL = 0.002

#: Seconds until the next try after the system could not give us a connection, for instance because no descriptor was
#: left. asyncio's own servers wait as long (asyncio.constants.ACCEPT_RETRY_DELAY).
RETRY_DELAY = 1.0

#: Another worker has it, its client has gone, or its network has (accept(2), "Error handling").
_NOTHING = {
    errno.EAGAIN,
    errno.EINTR,
    errno.ECONNABORTED,
    errno.EPERM,
    errno.EPROTO,
    errno.ENOPROTOOPT,
    errno.EOPNOTSUPP,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
}


class Accepting:
    """A server as uvicorn expects it from asyncio, with `close` and `wait_closed`.

    ``held`` counts the connections of this worker. ``arriving`` holds those that are accepted and have no protocol
    yet. ``load`` tells the other workers the sum of both; without it, this worker accepts what comes.
    """

    def __init__(
        self,
        listener: socket.socket,
        create_protocol: Callable[[], asyncio.Protocol],
        held: Callable[[], int],
        arriving: "set[asyncio.Task[Any]]",
        load: Load | None,
    ) -> None:
        self._listener = listener
        self._create_protocol = create_protocol
        self._held = held
        self._arriving = arriving
        self._load = load
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.TimerHandle | None = None
        self._closed = False
        self.tell()
        self._loop.add_reader(listener, self._take_turn)

    def tell(self) -> None:
        """Tell the other workers that a connection has come or gone."""
        if self._load and not self._closed:
            self._load.tell(self._count())

    def close(self) -> None:
        """Accept no more. Connections in the queue are for the other workers."""
        if self._closed:
            return
        self._closed = True
        if self._load:
            self._load.leave()
        if self._waiting:
            self._waiting.cancel()
        else:
            self._loop.remove_reader(self._listener)
        self._listener.close()

    async def wait_closed(self) -> None:
        if self._arriving:
            await asyncio.wait(self._arriving)

    def _count(self) -> int:
        return self._held() + len(self._arriving)

    def _take_turn(self) -> None:
        if self._is_our_turn():
            self._take()
        else:
            self._wait(DEFERRAL, self._take)

    def _is_our_turn(self) -> bool:
        if not self._load:
            return True
        least = self._load.least_of_others()
        return least is None or self._count() <= least

    def _take(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError as error:
            if error.errno not in _NOTHING:
                complain(f"no connection can be taken for {RETRY_DELAY:g} s: {error.strerror}")
                self._wait(RETRY_DELAY, lambda: None)
            return
        connection.setblocking(False)
        arrival = self._loop.create_task(self._arrive(connection))
        self._arriving.add(arrival)
        arrival.add_done_callback(self._arriving.discard)
        self.tell()

    async def _arrive(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._create_protocol, connection)
        except OSError:
            connection.close()  # its client has gone

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        if self._waiting is None:
            self._loop.remove_reader(self._listener)
        self._waiting = self._loop.call_later(seconds, self._go_on, then)

    def _go_on(self, then: Callable[[], None]) -> None:
        self._waiting = None
        then()
        if self._waiting is None:
            self._loop.add_reader(self._listener, self._take_turn)
