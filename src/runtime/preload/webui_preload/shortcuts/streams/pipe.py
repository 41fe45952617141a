"""One connection to Redis for all streams of a worker: commands go out together, answers come in their order."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import hiredis
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import RedisError

#: Seconds between two attempts to connect.
_INTERVAL = 1.0

#: Seconds that a new connection has to answer.
_ANSWER_TIMEOUT = 5.0

_NOTHING = object()


class Pipe(asyncio.Protocol):
    """redis-py connects, signs in and chooses the database; from then on its connection is read and written here.

    ``make_connection`` makes one of redis-py's, not yet connected. There is none at first, and none for a while where
    Redis is away or has refused a command; whoever asks then does without.
    """

    def __init__(self, make_connection: Callable[[], Any]) -> None:
        self._make_connection = make_connection
        self._connection: Any = None
        self._transport: asyncio.Transport | None = None
        self._reader: Any = None
        #: One for each command that was not answered yet, in their order.
        self._asked: deque[asyncio.Future[Any]] = deque()
        self._commands: list[bytes] = []
        self._connecting: asyncio.Task[None] | None = None
        self._tried_at = float("-inf")
        self._was_refused = False

    @property
    def is_connected(self) -> bool:
        return self._transport is not None and not self._was_refused

    def ask(self, *command: str | bytes | int) -> asyncio.Future[Any] | None:
        """Send a command at the end of this turn of the loop; None where there is no connection.

        Whoever awaits the answer gets a ``RedisError`` where Redis refuses the command, or the connection is lost.
        """
        loop = asyncio.get_running_loop()
        if not self.is_connected:
            if self._transport is None and self._connecting is None and loop.time() - self._tried_at >= _INTERVAL:
                self._tried_at = loop.time()
                self._connecting = loop.create_task(self._connect())
            return None
        if not self._commands:
            loop.call_soon(self._send)
        self._commands.append(hiredis.pack_command(command))  # type: ignore[arg-type]  # it takes any number of them
        answer = loop.create_future()
        answer.add_done_callback(_look_at)
        self._asked.append(answer)
        return answer

    def _send(self) -> None:
        if self._transport is not None:
            self._transport.write(b"".join(self._commands))
        self._commands.clear()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        connection = self._make_connection()
        try:
            await connection.connect()
            transport = connection._writer.transport
            self._reader = hiredis.Reader(notEnoughData=_NOTHING)
            self._was_refused = False
            transport.set_protocol(self)
            # It may have been lost just before, when nobody would have told us.
            answer = loop.create_future()
            self._asked.append(answer)
            transport.write(hiredis.pack_command(("PING",)))
            async with asyncio.timeout(_ANSWER_TIMEOUT):
                await answer
        except (RedisError, OSError):
            self._drop()
            connection._close()
            return  # what the app asks itself says why
        finally:
            self._connecting = None
        self._connection = connection  # it would close the transport
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (answer := self._reader.gets()) is not _NOTHING:
                if not isinstance(answer, hiredis.PushNotification):
                    self._note(self._asked.popleft(), answer)
        except (hiredis.ProtocolError, IndexError):
            self._drop()
        if self._was_refused and not self._asked:
            self._drop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._drop()

    def _note(self, asked: asyncio.Future[Any], answer: Any) -> None:
        if isinstance(answer, hiredis.ReplyError):
            # It may have become a replica, or be loading: another connection may lead to another server. What was
            # asked meanwhile is answered first, so that nothing is asked twice.
            self._was_refused = True
            if not asked.done():
                asked.set_exception(RedisError(str(answer)))
        elif not asked.done():  # whoever asked may have been cancelled
            asked.set_result(answer)

    def _drop(self) -> None:
        transport, self._transport, self._connection = self._transport, None, None
        if transport is not None:
            transport.set_protocol(asyncio.Protocol())  # its end is not that of the next one
            transport.abort()
        self._commands.clear()
        asked, self._asked = self._asked, deque()
        for answer in asked:
            if not answer.done():
                answer.set_exception(LostError("the connection to Redis was lost"))


def _look_at(answer: asyncio.Future[Any]) -> None:
    """An error that nobody awaits is not logged."""
    if not answer.cancelled():
        answer.exception()
