"""Waits for PostgreSQL without a task for each answer; psycopg itself makes one (3.3, on Python 3.11)."""

import inspect
from asyncio import Future, get_running_loop
from collections.abc import Generator
from typing import Any, TypeVar

Result = TypeVar("Result")


def wait_lightly() -> bool:
    """Replace the function with which psycopg waits for a connection; False where it is not the one that is known."""
    from psycopg import waiting

    if [*inspect.signature(waiting.wait_async).parameters] != ["gen", "fileno", "interval"]:
        return False
    waiting.wait_async = wait_async
    return True


async def wait_async(gen: Generator[Any, Any, Result], fileno: int, interval: float = 0.0) -> Result:
    """As ``psycopg.waiting.wait_async``: run ``gen`` to its end, and send it each time what its socket is ready for.

    It gets 0 when the socket was not ready within ``interval`` seconds. Raises what ``gen`` raises.
    """
    from psycopg.errors import InternalError, OperationalError
    from psycopg.waiting import READY_R, READY_W, WAIT_R, WAIT_W

    loop = get_running_loop()
    waiter: Future[None]
    ready = 0

    def wake(state: int = 0) -> None:
        nonlocal ready
        ready |= state
        if not waiter.done():
            waiter.set_result(None)

    try:
        wanted = next(gen)
        while True:
            reads, writes = wanted & WAIT_R, wanted & WAIT_W
            if not (reads or writes):
                raise InternalError(f"bad poll status: {wanted}")
            waiter, ready = loop.create_future(), 0
            if reads:
                loop.add_reader(fileno, wake, READY_R)
            if writes:
                loop.add_writer(fileno, wake, READY_W)
            timer = loop.call_later(interval, wake)
            try:
                await waiter
            finally:
                timer.cancel()
                if reads:
                    loop.remove_reader(fileno)
                if writes:
                    loop.remove_writer(fileno)
            wanted = gen.send(ready)
    except OSError as error:
        raise OperationalError("connection socket closed") from error
    except StopIteration as end:
        result: Result = end.value
        return result
