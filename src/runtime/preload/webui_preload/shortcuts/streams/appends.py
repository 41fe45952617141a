"""What an answer has so far, for a page that opens it: sent to Redis together with the event that follows."""

import asyncio
from typing import Any

from redis.exceptions import RedisError

from .pipe import Pipe


class _Client:
    """Stands for the app's client of Redis in ``append_response_stream``, which runs a script and awaits its result.

    Where a text was not appended, the app stores all of the answer. Here it learns so when it appends the next one.
    """

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self.last: asyncio.Future[Any] | None = None

    async def eval(self, script: str, keys: int, *arguments: Any) -> int:
        self.last = self._pipe.ask("EVAL", script, keys, *arguments)
        if self.last is None:
            raise RedisError("the connection to Redis was lost")
        return 1


def append_with(pipe: Pipe, middleware: Any) -> None:
    """Replace what the chats of open_webui.utils.middleware call (0.12.4)."""
    #: What was asked last for an answer, by the id of its task; until it is known to have succeeded.
    asked: dict[str, asyncio.Future[Any]] = {}
    append, save, clear = (getattr(middleware, f"{verb}_response_stream") for verb in ("append", "save", "clear"))

    async def succeeded(task_id: str) -> bool:
        """Whether the last text was appended; forgets it if not."""
        if (last := asked.pop(task_id, None)) is None:
            return True
        try:
            return bool(await last)
        except RedisError:
            return False

    async def append_soon(redis: Any, task_id: str, *arguments: Any) -> bool:
        if not await succeeded(task_id):
            return False
        if not pipe.is_connected:
            return bool(await append(redis, task_id, *arguments))
        client = _Client(pipe)
        is_asked = bool(await append(client, task_id, *arguments))
        if client.last is not None:
            asked[task_id] = client.last
        return is_asked

    async def save_after(redis: Any, task_id: str, *arguments: Any) -> Any:
        await succeeded(task_id)
        return await save(redis, task_id, *arguments)

    async def clear_after(redis: Any, task_id: str) -> Any:
        await succeeded(task_id)
        return await clear(redis, task_id)

    middleware.append_response_stream = append_soon
    middleware.save_response_stream = save_after
    middleware.clear_response_stream = clear_after
