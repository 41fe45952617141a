"""A worker's part: hands one job over, and waits for its end without holding anything but a connection."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from ..contract import LONGEST_FRAME, Frames, Roles
from ..protocol import Decoder, Frame, encode, number
from .jobs import Job, Jobs

#: Seconds between two attempts to reach a preload process that is being replaced.
PAUSE = 0.5

#: Seconds that a request waits for a preload process; a start takes some 20. An upload waits for ever: whichever
#: start comes next finds its job.
PATIENCE = 120.0

#: Told the place of the job while others are before it, and 0 when it begins.
OnPlace = Callable[[int], Awaitable[None]]


class Lost(Exception):
    """Nobody knows what came of the job; the text is for the user."""


class Handover:
    """Of one worker."""

    def __init__(self, control_path: Path, jobs: Jobs) -> None:
        self._control_path = control_path
        self._jobs = jobs
        self._leaves = asyncio.Event()

    def leave(self) -> None:
        """The worker drains: wait for no upload any more, they are not its own."""
        self._leaves.set()

    async def run(self, job: Job, on_place: OnPlace, *, may_leave: bool) -> str:
        """Why the job did not come to its end; empty where it did, or where this worker leaves before.

        Raises OSError where the job cannot be written, and Lost.
        """
        await asyncio.to_thread(self._jobs.put, job)
        ending = asyncio.ensure_future(self._until_ended(job, on_place))
        leaving = asyncio.ensure_future(self._leaves.wait())
        try:
            await asyncio.wait([ending, leaving] if may_leave else [ending], return_when=asyncio.FIRST_COMPLETED)
            return ending.result() if ending.done() else ""
        finally:
            for task in (ending, leaving):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await ending

    def result(self, job: Job) -> dict[str, Any] | None:
        return self._jobs.take_result(job)

    async def _until_ended(self, job: Job, on_place: OnPlace) -> str:
        loop = asyncio.get_running_loop()
        alone_since: float | None = None

        async def tell(place: int) -> None:
            nonlocal alone_since
            alone_since = None
            await on_place(place)

        while True:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_unix_connection(self._control_path, limit=LONGEST_FRAME)
                try:
                    writer.write(encode({"role": Roles.DOCUMENT, "job": job.name}))
                    reason = await self._follow(reader, writer, tell)
                finally:
                    writer.close()
                if reason is not None:
                    return reason
            # The preload process has ended, or is not there yet. The next one takes uploads up by itself.
            alone_since = alone_since or loop.time()
            if job.kind == "index":
                if loop.time() > alone_since + PATIENCE:
                    raise Lost(f"there has been nobody to process it for {PATIENCE:g} s; try again")
                await asyncio.to_thread(self._jobs.put, job)
            await asyncio.sleep(PAUSE)

    async def _follow(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, on_place: OnPlace
    ) -> str | None:
        """The reason of the last frame; None where the connection ended before."""
        decoder = Decoder()
        while data := await reader.read(LONGEST_FRAME):
            frames: list[Frame] = list(decoder.feed(data))
            for frame in frames:
                if frame.get("type") == Frames.ENDED:
                    return str(frame.get("reason", ""))
            # Older places are void.
            place = int(number(frames[-1], "place", 0, 1_000_000)) if frames else None
            if place is not None:
                await on_place(place)
            if place == 0:
                writer.write(encode({"type": Frames.GO}))
        return None
