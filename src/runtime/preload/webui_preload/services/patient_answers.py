"""Lets a question that was accepted right before the database is lost be answered once it is back.

Open WebUI (0.12.4) accepts a question, and prepares the answer in a task of its own. The first query of it that fails
becomes the answer. Here it waits instead, in that task alone: who only asks for a page is told at once, as before.
"""

import asyncio
import functools
import importlib
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from typing import Any

from sqlalchemy.orm import Session
from sqlalchemy.util import await_only

from .outage import DATABASE, service_of
from .saved_answers import INTERVAL, LONGEST

_CREATE = "create_task"

#: Whether this is the task of an answer, or was begun by it.
_is_answer: ContextVar[bool] = ContextVar("is_answer", default=False)


def let_answers_wait() -> None:
    """Call it in a worker, once the app is imported. A version without these names is left alone."""
    main: Any = importlib.import_module("open_webui.main")
    database: Any = importlib.import_module("open_webui.internal.db")
    names = ("async_engine", "AsyncSessionLocal")
    if hasattr(main, _CREATE) and all(hasattr(database, name) for name in names):
        setattr(main, _CREATE, as_answer(getattr(main, _CREATE)))
        database.async_engine.sync_engine.raw_connection = at_last(database.async_engine.sync_engine.raw_connection)
        database.AsyncSessionLocal.configure(sync_session_class=PatientSession)


def as_answer(create: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """``create``, whose second argument becomes a task that knows that it is an answer."""

    async def answer(work: Coroutine[Any, Any, Any]) -> Any:
        _is_answer.set(True)
        return await work

    @functools.wraps(create)
    async def attempt(redis: Any, coroutine: Coroutine[Any, Any, Any], *args: Any, **kwargs: Any) -> Any:
        return await create(redis, answer(coroutine), *args, **kwargs)

    return attempt


def at_last(
    run: Callable[..., Any],
    between: Callable[[], None] = lambda: None,
    interval: float = INTERVAL,
    longest: float = LONGEST,
) -> Callable[..., Any]:
    """``run``, which SQLAlchemy calls for its asynchronous engine: for an answer repeated while the database is down.

    Nobody else, and no other error, waits. An answer that waits for a connection holds no place in the pool.
    ``between`` is called after each failure; ``interval`` and ``longest`` are seconds.
    """

    @functools.wraps(run)
    def attempt(*args: Any, **kwargs: Any) -> Any:
        deadline: float | None = None
        while True:
            try:
                return run(*args, **kwargs)
            except Exception as error:
                deadline = deadline or time.monotonic() + longest
                if not _is_answer.get() or service_of(error) != DATABASE or time.monotonic() > deadline:
                    raise
                between()
            await_only(asyncio.sleep(interval))

    return attempt


class PatientSession(Session):
    """Repeats what it asks first, where that reads only: nothing depends on what was read before."""

    def execute(self, statement: Any, *args: Any, **kwargs: Any) -> Any:
        return self._patient(super().execute, statement)(statement, *args, **kwargs)

    def scalar(self, statement: Any, *args: Any, **kwargs: Any) -> Any:
        return self._patient(super().scalar, statement)(statement, *args, **kwargs)

    def scalars(self, statement: Any, *args: Any, **kwargs: Any) -> Any:
        return self._patient(super().scalars, statement)(statement, *args, **kwargs)

    def _patient(self, run: Callable[..., Any], statement: Any) -> Callable[..., Any]:
        # Every query of everybody comes here, so the cheapest question is the first.
        if not _is_answer.get() or not getattr(statement, "is_select", False):
            return run
        is_first = not self.in_transaction() and not self.identity_map and not self.new
        return at_last(run, self.rollback) if is_first else run
