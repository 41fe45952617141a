"""Brings answers to their end that are complete while the database or Redis is away.

Open WebUI (0.12.4) tries once, and takes every error for a chat that does not exist (models/chats.py). Right before,
it reads the title of the chat; if that fails, it does not even try (utils/middleware.py). Redis has what there is of
an answer in progress; what is not cleared there hides the saved answer from the page.
"""

import asyncio
import functools
import importlib
from collections.abc import Awaitable, Callable
from typing import Any

from .live_sockets import patient
from .outage import service_of

#: Seconds between two looks at whether the database is back.
INTERVAL = 1.0

#: Seconds after which an answer is given up.
LONGEST = 300.0

_SAVE = "upsert_message_to_chat_by_id_and_message_id"
_READ = "get_chat_title_by_id"
_CLEAR = "clear_response_stream"
_CLEAN_UP = "cleanup_task"


def keep_answers(is_lost: Callable[[], Awaitable[bool]]) -> None:
    """Call it in a worker, once the app is imported. A version without these functions is left alone."""
    chats: Any = importlib.import_module("open_webui.models.chats").Chats
    if hasattr(chats, _SAVE) and hasattr(chats, _READ):
        setattr(chats, _SAVE, saved_at_last(getattr(chats, _SAVE), is_lost))
        setattr(chats, _READ, patient(getattr(chats, _READ)))


def clear_streams() -> None:
    """Call it where there is Redis: what is there of an answer is cleared at last, and its end is told at once."""
    tasks: Any = importlib.import_module("open_webui.tasks")
    middleware: Any = importlib.import_module("open_webui.utils.middleware")
    # It runs once the answer has ended, in a task of its own, and clears the same.
    if hasattr(tasks, _CLEAN_UP) and hasattr(middleware, _CLEAR):
        setattr(tasks, _CLEAN_UP, patient(getattr(tasks, _CLEAN_UP)))
        setattr(middleware, _CLEAR, unless_lost(getattr(middleware, _CLEAR)))


def unless_lost(clear: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """``clear``, which is left undone where a service is lost."""

    @functools.wraps(clear)
    async def attempt(*args: Any, **kwargs: Any) -> None:
        try:
            await clear(*args, **kwargs)
        except Exception as error:
            if service_of(error) is None:
                raise

    return attempt


def saved_at_last(
    save: Callable[..., Awaitable[Any]],
    is_lost: Callable[[], Awaitable[bool]],
    interval: float = INTERVAL,
    longest: float = LONGEST,
) -> Callable[..., Awaitable[Any]]:
    """``save``, which returns None where nothing was saved: again once the database is back, if it was lost."""

    @functools.wraps(save)
    async def attempt(*args: Any, **kwargs: Any) -> Any:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + longest
        saved, lost = await save(*args, **kwargs), True
        # Where the chat does not exist, the database answers, and one more attempt says the same.
        while saved is None and lost and loop.time() < deadline:
            if lost := await is_lost():
                await asyncio.sleep(interval)
            saved = await save(*args, **kwargs)
        return saved

    return attempt
