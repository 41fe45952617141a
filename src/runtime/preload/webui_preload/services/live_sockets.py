"""Keeps pages' WebSockets over an outage of Redis or the database.

Open WebUI (socket/main.py, 0.12.4) verifies the token of each open socket every 30 s, and takes a database that does
not answer for a token that has expired: all pages are cut off. They come back at once, as socket.io's client does,
and the handler of that connection fails in turn; python-socketio then answers nothing at all, and the page waits for
ever, without live updates. Here all of it waits until the service answers.
"""

import asyncio
import functools
import importlib
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from .outage import service_of

P = ParamSpec("P")
R = TypeVar("R")

#: Seconds between two attempts.
INTERVAL = 0.5

#: Seconds after which the error is the app's to deal with, as ever.
LONGEST = 300.0

#: Handlers of events in which a page takes up its connection; each may be run again from its beginning.
_HANDLERS = ("connect", "user-join")


def keep_sockets() -> None:
    """For a worker, once the app is imported; names that are not found are left alone."""
    module = importlib.import_module("open_webui.socket.main")
    name = "get_verified_user_by_token"
    if hasattr(module, name):
        setattr(module, name, patient(getattr(module, name)))
    handlers = module.sio.handlers.get("/", {})
    for event in _HANDLERS:
        if event in handlers:
            handlers[event] = patient(handlers[event])


def patient(
    run: Callable[P, Awaitable[R]], interval: float = INTERVAL, longest: float = LONGEST
) -> Callable[P, Awaitable[R]]:
    """``run``, again and again while a service is down; any other error, and that after ``longest``, is raised."""

    @functools.wraps(run)
    async def attempt(*args: P.args, **kwargs: P.kwargs) -> R:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + longest
        while True:
            try:
                return await run(*args, **kwargs)
            except Exception as error:
                if service_of(error) is None or loop.time() > deadline:
                    raise
            await asyncio.sleep(interval)

    return attempt
