"""Watches Redis and the database from a worker: notices when one is lost, and when it is back.

Open WebUI reconnects by itself, but late. Between two attempts its listeners wait up to 30 s, and socket.io's up to
60 s (open_webui/tasks.py, open_webui/socket/redis_room_channels.py, 0.12.4). Until then, live updates from other
workers are missing. The watch makes them reconnect at once.
"""

import asyncio
import contextlib
import importlib
from collections.abc import Callable, Mapping
from typing import Any

from ..log import complain, say
from ..settings import database_url
from . import broker
from .live_sockets import keep_sockets
from .lost_redis import fail_at_once, keep_models
from .outage import DATABASE, REDIS, Outages, filter_logs, service_of
from .saved_answers import clear_streams, keep_answers

#: Seconds between two looks. Each costs some 2 ms of the worker's CPU.
INTERVAL = 1.0

#: The same while a service is lost: until the look that finds it again, calls are refused.
INTERVAL_WHILE_LOST = 0.2

#: Most seconds between two attempts of Open WebUI's own listeners; its default is 30.
RECONNECT_INTERVAL = 2.0


class ServiceWatch:
    """The watch of one worker. Start it on the event loop, once the app has started."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.outages = Outages(complain)
        self._redis: tuple[Any, contextlib.ExitStack] | None = None
        #: The look at the database that is under way: all who ask share it.
        self._database_look: asyncio.Task[None] | None = None
        self._has_redis = bool(environ.get("REDIS_URL"))
        self._has_server = not database_url(environ).startswith("sqlite")

    def start(self) -> "asyncio.Task[None] | None":
        """Start to watch. Returns None where there is nothing to watch."""
        if not self._has_redis and not self._has_server:
            return None
        filter_logs(self.outages)
        keep_sockets()
        if self._has_redis:
            _retry_sooner()
            fail_at_once(self.outages)
            keep_models()
            clear_streams()
        if self._has_server:
            keep_answers(self._is_database_lost)
            # It needs SQLAlchemy, which a preload of libraries alone may not have imported.
            from .patient_answers import let_answers_wait

            let_answers_wait()
        return asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while True:
            is_lost = self.outages.is_lost(REDIS) or self.outages.is_lost(DATABASE)
            await asyncio.sleep(INTERVAL_WHILE_LOST if is_lost else INTERVAL)
            if self._has_redis:
                await self._look(REDIS, self._ping_redis, _reconnect_live_updates)
            if self._has_server:
                await self._is_database_lost()

    async def _is_database_lost(self) -> bool:
        if self._database_look is None or self._database_look.done():
            look = self._look(DATABASE, _ping_database, lambda: None)
            self._database_look = asyncio.get_running_loop().create_task(look)
        await asyncio.shield(self._database_look)
        return self.outages.is_lost(DATABASE)

    async def _look(self, service: str, ping: Callable[[], None], on_return: Callable[[], None]) -> None:
        try:
            # In a thread, because a connection that is not refused at once would stall the worker.
            await asyncio.to_thread(ping)
        except Exception as error:
            # Any other error, such as a pool without a free connection, says nothing about the service.
            if service_of(error) == service:
                self.outages.lost(service, str(error).strip().partition("\n")[0])
            return
        if self.outages.answers(service):
            on_return()

    def _ping_redis(self) -> None:
        try:
            if self._redis is None:
                stack = contextlib.ExitStack()
                self._redis = (stack.enter_context(broker.connected(self._environ)), stack)
            self._redis[0].ping()
        except Exception:
            if self._redis:
                # With Sentinel, the next connection may lead to another server.
                self._redis[1].close()
                self._redis = None
            raise


def _ping_database() -> None:
    from sqlalchemy import text

    with importlib.import_module("open_webui.internal.db").engine.connect() as connection:
        connection.execute(text("SELECT 1"))


def _retry_sooner() -> None:
    """Lower the limit of the listeners' back-off, a global of their modules that they read at every attempt."""
    for name in ("open_webui.tasks", "open_webui.socket.main"):
        module = importlib.import_module(name)
        if hasattr(module, "REDIS_PUBSUB_MAX_RECONNECT_INTERVAL"):
            setattr(module, "REDIS_PUBSUB_MAX_RECONNECT_INTERVAL", RECONNECT_INTERVAL)  # noqa: B010 (mypy)


def _reconnect_live_updates() -> None:
    """Restart socket.io's listener where it waits for its next attempt, and leave it alone where it listens.

    The names are python-socketio's (5.16, AsyncPubSubManager). Where they are missing, its own back-off stays.
    """
    server = importlib.import_module("open_webui.socket.main").sio
    manager = server.manager
    listener, pubsub = getattr(manager, "thread", None), getattr(manager, "pubsub", None)
    if listener is None or pubsub is None or not hasattr(manager, "_thread") or pubsub.subscribed:
        return
    listener.cancel()
    manager.thread = server.start_background_task(manager._thread)
    say("live updates from other workers are subscribed to again")
