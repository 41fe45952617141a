"""Lets a task that is cancelled end, also where it waits with a limit of time.

Python 3.11's ``wait_for`` forgets that its task was cancelled, where what it waits for comes in the same turn of the
loop. redis-py (8.0) waits so for each command that it sends: of 60 tasks that did nothing but that, 25 went on when
they were cancelled. Who stops an answer cancels a task. Python 3.12 has what is here (its changelog: gh-96764).
"""

import asyncio
import sys
from collections.abc import Awaitable
from typing import TypeVar

Result = TypeVar("Result")


def keep_cancellations() -> None:
    """Call it before the packages are imported that take ``wait_for`` by name."""
    if sys.version_info < (3, 12):
        asyncio.wait_for = asyncio.tasks.wait_for = wait_for  # type: ignore[assignment]  # without its overloads


async def wait_for(fut: Awaitable[Result], timeout: float | None) -> Result:
    """As ``asyncio.wait_for`` of Python 3.12: in the same task, so that it is cancelled as any other wait."""
    if timeout is None or timeout > 0:
        async with asyncio.timeout(timeout):
            return await fut
    awaited = asyncio.ensure_future(fut)
    if awaited.done():
        return awaited.result()
    awaited.cancel()
    try:
        return await awaited
    except asyncio.CancelledError as error:
        raise TimeoutError from error
