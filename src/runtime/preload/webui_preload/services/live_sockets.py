"""Keeps the WebSockets of pages open while Redis or the database is away.

Open WebUI (socket/main.py, 0.12.4) verifies the token of each open socket every 30 s. If the database does not
answer, it treats the token as expired, and cuts all pages off. socket.io's client reconnects at once, and the handler
of that connection fails too; python-socketio then sends no answer, and the page waits for ever, without live updates.
Here both wait until the service answers.
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

#: Seconds after which the app gets the error all the same.
LONGEST = 300.0

#: Handlers of the events with which a page begins its connection. Each may run again from its beginning.
_HANDLERS = ("connect", "user-join")


def keep_sockets() -> None:
    """Call it in a worker, once the app is imported. Names that this version does not have are left alone."""
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
    """``run``, repeated while a service is down, for at most ``longest`` seconds. Other errors are raised at once."""

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
