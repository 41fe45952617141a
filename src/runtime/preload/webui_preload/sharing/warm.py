"""Asks the app, before the forks, what a page asks of every worker first.

SQLAlchemy compiles a statement when it is first executed, pydantic finishes a model when it is first used, and
functions import modules when they are first called. Without this, each worker does so for itself, in memory of its
own, while its first page waits.

The app can only read: its transactions are not allowed to write, and its event loop connects to nothing but the
database. Workers are forked for weeks, so nothing of an answer may stay: connections and threads are ended, the app's
state is put back, and `rows_kept` finds what a version might keep.
"""

import asyncio
import gc
import importlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any, NoReturn

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from ..ask import Headers, ask
from ..static.cache import audits_reading

#: Nobody has this id: its token is as that of a user who was deleted.
_NOBODY = "webui-tune-warm"

#: What a page asks when it is opened, of what only reads and asks no other server. (`webui-tune bench` has the
#: recording of Chromium.) The list of models is not among them: the app keeps it, in Redis too.
_PATHS = (
    "/",
    "/api/config",
    "/api/version",
    "/api/changelog",
    "/api/v1/auths/",
    "/api/v1/configs/banners",
    "/api/v1/tools/",
    "/api/v1/skills/",
    "/api/v1/functions/",
    "/api/v1/terminals/",
    f"/api/v1/users/{_NOBODY}/profile/image",
    f"/api/v1/models/model/profile/image?id={_NOBODY}",
    "/api/v1/users/user/settings",
    f"/api/v1/chats/{_NOBODY}",
    "/api/v1/chats/?page=1",
    "/api/v1/chats/pinned",
    "/api/v1/chats/all/tags",
    "/api/v1/notes/pinned",
    "/api/v1/folders/",
    "/api/v1/folders/shared",
)

#: A user asks with checks of access that an administrator is spared.
_ROLES = ("user", "admin")

#: Seconds for all requests, which take 0.4.
_LIMIT = 10.0

#: Seconds that the app's threads have to end after their event loop.
_THREADS_END = 5.0

#: What keeps a transaction from writing, by SQLAlchemy's names of the databases.
_READ_ONLY = {"postgresql": "SET TRANSACTION READ ONLY", "sqlite": "PRAGMA query_only = 1"}


class NotWarmed(Exception):
    """The app could not be asked, and nothing was changed; the text says why."""


def warm(main: ModuleType) -> None:
    """Ask the imported app. Raises NotWarmed.

    What an answer says does not matter: an error is as warm as a page.
    """
    if audits_reading(os.environ):
        raise NotWarmed("ENABLE_AUDIT_GET_REQUESTS is set, and nobody asks")
    app = main.app
    engines = _engines()
    visitors = _visitors(app)
    state = dict(app.state._state)
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with ExitStack() as stack:
            for engine in engines:
                stack.enter_context(_only_reading(engine))
            with asyncio.Runner(loop_factory=_DatabaseOnlyLoop) as runner:
                is_whole = runner.run(_ask_all(app, visitors, engines))
        if not is_whole:
            raise NotWarmed(f"its answers took more than {_LIMIT:g} s")
    finally:
        logging.disable(disabled)
        app.dependency_overrides.clear()
        app.state._state.clear()
        app.state._state.update(state)
        # Telemetry wraps the middlewares before they are first called.
        app.middleware_stack = None
        _await_threads()


def _engines() -> list[Engine | AsyncEngine]:
    database = importlib.import_module("open_webui.internal.db")
    found = [engine for engine in vars(database).values() if isinstance(engine, Engine | AsyncEngine)]
    others = {engine.dialect.name for engine in found} - _READ_ONLY.keys()
    if others or not found:
        raise NotWarmed(f"no transaction that only reads is known for {', '.join(others) or 'its database'}")
    return found


@dataclass(frozen=True)
class _Visitor:
    """Somebody who opens a page; ``enter`` lets the app take them for who they are."""

    headers: Headers
    enter: Callable[[], None]


def _visitors(app: Any) -> list[_Visitor]:
    """Somebody without an account, whose token is looked up in vain, then a user and an administrator."""
    try:
        auth = importlib.import_module("open_webui.utils.auth")
        users = importlib.import_module("open_webui.models.users")
        token: str = auth.create_token({"id": _NOBODY})
        about = {"id": _NOBODY, "name": _NOBODY, "email": f"{_NOBODY}@localhost"}
        times = dict.fromkeys(("last_active_at", "updated_at", "created_at"), int(time.time()))
        people = [users.UserModel(**about, **times, role=role) for role in _ROLES]
        whoever = auth.get_current_user
    except Exception as error:
        raise NotWarmed(f"its users are others than is known: {error!r}") from error

    def sign_in(person: Any) -> None:
        app.dependency_overrides[whoever] = lambda: person

    headers = [(b"authorization", b"Bearer " + token.encode()), (b"accept-encoding", b"gzip, br, zstd")]
    return [_Visitor(headers, lambda: None)] + [_Visitor(headers, partial(sign_in, one)) for one in people]


async def _ask_all(app: Any, visitors: list[_Visitor], engines: list[Engine | AsyncEngine]) -> bool:
    """Whether all was asked within the time."""
    is_whole = True
    try:
        async with asyncio.timeout(_LIMIT):
            for visitor in visitors:
                visitor.enter()
                for path in _PATHS:
                    # The app's outermost layer raises what it has answered with "Internal Server Error".
                    with suppress(Exception):
                        await ask(app, path, headers=visitor.headers)
    except TimeoutError:
        is_whole = False
    finally:
        for engine in engines:
            if isinstance(engine, AsyncEngine):
                await engine.dispose()
            else:
                engine.dispose()
    # A connection of aiosqlite (0.22) that was given up half made asks for the event loop when it is collected. Later
    # it would be given a new one, which nobody closes.
    gc.collect()
    return is_whole


class _DatabaseOnlyLoop(asyncio.SelectorEventLoop):
    """Connects to nothing: the database's driver has a connection of its own, and only waits here."""

    async def create_connection(self, *_: Any, **__: Any) -> NoReturn:
        raise _refusal()

    async def create_unix_connection(self, *_: Any, **__: Any) -> NoReturn:
        raise _refusal()

    async def sock_connect(self, *_: Any, **__: Any) -> NoReturn:
        raise _refusal()


def _refusal() -> ConnectionRefusedError:
    return ConnectionRefusedError("no connection is made before the fork")


@contextmanager
def _only_reading(engine: Engine | AsyncEngine) -> Iterator[None]:
    """Within, transactions of ``engine`` cannot write."""
    listened = engine.sync_engine if isinstance(engine, AsyncEngine) else engine
    statement = _READ_ONLY[listened.dialect.name]

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    event.listen(listened, "begin", begun)
    try:
        yield
    finally:
        event.remove(listened, "begin", begun)


def _await_threads() -> None:
    """Those in which the app ran what blocks; they were told to end with the event loop."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(_THREADS_END)


def rows_kept() -> list[str]:
    """Rows of the database that are still in memory, in words: workers would answer with them for weeks."""
    base = importlib.import_module("open_webui.internal.db").Base
    kinds = {mapper.class_ for mapper in base.registry.mappers}
    found = sorted({kind.__name__ for kind in map(type, gc.get_objects()) if kind in kinds})
    return [f"a row of the database ({name})" for name in found]
