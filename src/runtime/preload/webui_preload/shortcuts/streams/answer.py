"""An upstream's answer: line by line as Open WebUI reads it, or with the tokens that arrive together in one line."""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from .pace import Pace
from .pieces import Lines


class Answer:
    """In the place of the generator that Open WebUI makes of a response; nothing is read before it is iterated.

    ``read`` is Open WebUI's own, and ``clean_up`` what it does with the response in the end. ``count`` is the number
    of tokens that it would put into one event.
    """

    def __init__(
        self,
        response: Any,
        read: Callable[[Any], AsyncGenerator[bytes, None]],
        clean_up: Callable[[Any], Any],
        pace: Pace,
        count: int,
    ) -> None:
        self._response = response
        self._read = read
        self._clean_up = clean_up
        self._pace = pace
        self._count = count
        self._lines: AsyncGenerator[bytes, None] | None = None
        #: Characters that a tag may end with, where tokens are to be handled together.
        self.marks: str | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        if self._lines is None:
            self._lines = self._alone() if self.marks is None else self._together(self.marks)
        return self._lines

    async def aclose(self) -> None:
        if self._lines is not None:
            await self._lines.aclose()

    async def _alone(self) -> AsyncGenerator[bytes, None]:
        async with aclosing(self._read(self._response)) as lines:
            async for line in lines:
                self._pace.total += line.startswith(b"data: {")
                yield line

    async def _together(self, marks: str) -> AsyncGenerator[bytes, None]:
        try:
            async for line in self._joined(self._response.content, Lines(marks)):
                yield line
        finally:
            await self._clean_up(self._response)

    async def _joined(self, stream: Any, lines: Lines) -> AsyncGenerator[bytes, None]:
        """The first token of each kind goes out at once, and so does one that comes later than it may be held."""
        clock = asyncio.get_running_loop().time
        sent_at, kind = -math.inf, None
        failure: Exception | None = None
        while failure is None:
            try:
                data = await stream.readany()
                if not data:
                    break
                self._feed(lines, data, clock())
                if lines.kind is not None and lines.kind == kind:
                    await self._gather(stream, lines, sent_at)
            except Exception as error:
                # What arrived ahead of it counts.
                failure = error
                self._feed(lines, _left_in(stream), clock())
            kind = lines.kind
            for line in lines.take():
                yield line
            sent_at = clock()
        if failure is not None:
            raise failure
        if rest := lines.take_rest():
            yield rest

    async def _gather(self, stream: Any, lines: Lines, sent_at: float) -> None:
        """Wait until there are as many tokens as in an event of Open WebUI's, or none comes any more.

        All answers wait for the same ticks, so that what they tell Redis goes out together.
        """
        clock = asyncio.get_running_loop().time
        now = came_at = clock()
        if now - sent_at >= self._pace.hold():
            return  # the model is slow
        while (hold := self._pace.hold()) > now - came_at:
            await self._sleep(min(hold - now % hold, came_at + hold - now))
            now = clock()
            if self._feed(lines, stream.read_nowait(), now):
                came_at = now
            if lines.kind is None or lines.waiting >= self._count:
                return

    async def _sleep(self, seconds: float) -> None:
        """Leave what arrives meanwhile to the kernel: it is read all at once."""
        connection = self._response.connection
        transport = connection.transport if connection else None
        if transport is None or not transport.is_reading():
            await asyncio.sleep(seconds)
            return
        transport.pause_reading()
        try:
            await asyncio.sleep(seconds)
        finally:
            if not transport.is_closing():
                transport.resume_reading()
        # The loop looks for what has arrived, and hands it over.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def _feed(self, lines: Lines, data: bytes, now: float) -> int:
        tokens = lines.feed(data)
        self._pace.count(tokens, now)
        return tokens


def _left_in(stream: Any) -> bytes:
    """What a stream has received that has failed."""
    try:
        return bytes(stream._read_nowait(-1))
    except Exception:  # the time for all of the answer is over
        return b""
