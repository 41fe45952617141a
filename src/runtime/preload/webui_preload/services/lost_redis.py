"""Lets calls of Redis fail at once while it is lost, instead of each after its own timeout.

Open WebUI (0.12.4) calls Redis from its event loop, in part synchronously: where packets are dropped, each such call
holds the whole worker up for seconds, and the worker counts as hanging. The watch alone, in a thread, goes on asking.
"""

import asyncio
import functools
import importlib
from collections.abc import Callable
from typing import Any

from .outage import REDIS, Outages, service_of


def fail_at_once(outages: Outages) -> None:
    """Call it in a worker, once the app is imported."""
    sync, asynchronous = importlib.import_module("redis.client"), importlib.import_module("redis.asyncio.client")
    for module, guarded in ((sync, _guarded), (asynchronous, _guarded_async)):
        module.Redis.execute_command = guarded(module.Redis.execute_command, outages)
        module.Pipeline.execute = guarded(module.Pipeline.execute, outages)
    connection = importlib.import_module("redis.asyncio.connection").AbstractConnection
    connection.send_packed_command = _lost_when_closed(connection.send_packed_command)


def keep_models() -> None:
    """Answer from the models that this worker has read last. Call it in a worker, once the app is imported.

    Each answer asks for its model, and Open WebUI asks Redis whether the models that it has are still the latest.
    A version without these functions is left alone.
    """
    models = getattr(importlib.import_module("open_webui.socket.utils"), "CachedRedisDict", None)
    if models is not None and hasattr(models, "_refresh_cache"):
        models._refresh_cache = _as_read_last(models._refresh_cache)


def _as_read_last(refresh: Callable[[Any], dict[str, str]]) -> Callable[[Any], dict[str, str]]:
    @functools.wraps(refresh)
    def attempt(models: Any) -> dict[str, str]:
        try:
            return refresh(models)
        except _failures() as error:
            known: dict[str, str] = models._cache
            if service_of(error) != REDIS or not known:
                raise
            return known

    return attempt


def _guarded(call: Callable[..., Any], outages: Outages) -> Callable[..., Any]:
    @functools.wraps(call)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if asyncio._get_running_loop() is None:
            return call(*args, **kwargs)  # in a thread, it holds nobody up
        _refuse_while_lost(outages)
        try:
            return call(*args, **kwargs)
        except _failures() as error:
            if service_of(error) == REDIS:
                outages.reported(REDIS, str(error))
            raise

    return guarded


def _guarded_async(call: Callable[..., Any], outages: Outages) -> Callable[..., Any]:
    @functools.wraps(call)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        _refuse_while_lost(outages)
        try:
            return await call(*args, **kwargs)
        except _failures() as error:
            if service_of(error) == REDIS:
                outages.reported(REDIS, str(error))
            raise

    return guarded


def _refuse_while_lost(outages: Outages) -> None:
    if outages.is_lost(REDIS):
        raise importlib.import_module("redis").ConnectionError("Error: Redis is lost")


def _failures() -> tuple[type[Exception], ...]:
    redis = importlib.import_module("redis")
    return (redis.ConnectionError, redis.TimeoutError)


def _lost_when_closed(send: Callable[..., Any]) -> Callable[..., Any]:
    """With uvloop, a connection that the kernel has given up raises RuntimeError, which redis-py does not repeat."""

    @functools.wraps(send)
    async def attempt(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await send(self, *args, **kwargs)
        except RuntimeError as error:
            if "closed" not in str(error):
                raise
            raise importlib.import_module("redis").ConnectionError(f"Connection closed: {error}") from error

    return attempt
