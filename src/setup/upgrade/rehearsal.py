"""Rehearses an upgrade with the new version's own code: imports it, which migrates the copy that the environment
names, starts it once on a port of loopback, signs in as somebody who has an account, and asks for their chats and a
document.

Prints a line of JSON when a stage begins, and one with the seconds that the stages took. Everything else on stdout
and stderr is Open WebUI's log.
"""

import asyncio
import ctypes
import errno
import http.client
import inspect
import json
import os
import signal
import socket
import sys
import time
import traceback
from pathlib import Path
from typing import Any

#: Seconds that one answer may take: the first ones import what is only imported when it is needed.
ANSWER_TIMEOUT = 120

#: Python's own ways to a server. libpq, which has the database, is none of them.
CONNECTING = ("socket.connect", "socket.sendto", "socket.sendmsg")


class WrongAnswer(Exception):
    """The new version answers, but not as it should."""


def say(**message: object) -> None:
    print(f"\n{json.dumps(message)}", flush=True)


def go_first() -> None:
    """Ends with its parent, and before any worker where the memory does not suffice for both."""
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        Path("/proc/self/oom_score_adj").write_text("1000")
    except (AttributeError, OSError):
        pass  # macOS


def connect_to_nothing_but(own: tuple[str, int]) -> None:
    """Whatever starts with the app (automations, webhooks, mail, tools, models) then finds that nobody answers."""

    def refuse(event: str, args: tuple[Any, ...]) -> None:
        # sendmsg on a connection names no address.
        if event in CONNECTING and args[1] is not None and args[1] != own:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "a rehearsal connects to nobody")

    sys.addaudithook(refuse)


class Client:
    def __init__(self, port: int) -> None:
        self.port = port

    async def get(self, path: str, token: str) -> Any:
        """The JSON of an answer. Raises WrongAnswer."""
        body = await asyncio.to_thread(self._get, path, token)
        try:
            return json.loads(body)
        except ValueError:
            raise WrongAnswer(f"GET {path} is not answered with JSON: {body[:300]!r}") from None

    async def read(self, path: str, token: str) -> bytes:
        return await asyncio.to_thread(self._get, path, token)

    def _get(self, path: str, token: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_TIMEOUT)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise WrongAnswer(f"GET {path} is answered with {response.status}: {body[:300]!r}")
        return body


def rows(sql: str) -> list[tuple[Any, ...]]:
    from open_webui.internal.db import engine
    from sqlalchemy import text

    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


PEOPLE = """SELECT id FROM "user" WHERE role IN ('user', 'admin')"""


async def token_for(user: str, kind: str) -> str:
    """As the app itself makes one (open_webui/utils/auth.py, utils/automations.py)."""
    from open_webui.models.auths import Auths
    from open_webui.utils.auth import create_token

    claims: dict[str, Any] = {"id": user}
    if hasattr(Auths, "get_auth_by_id"):
        auth = Auths.get_auth_by_id(user)
        if inspect.isawaitable(auth):
            auth = await auth
        claims |= {"typ": kind, "session_stamp": getattr(auth, "session_stamp", None)}
        if kind == "session":
            claims |= {"auth_method": "password", "mfa_verified": True}
    token: str = create_token(claims)
    return token


async def sign_in(client: Client, user: str) -> str:
    """Raises WrongAnswer."""
    token = await token_for(user, "session")
    try:
        if (await client.get("/api/v1/auths/", token)).get("id") != user:
            raise WrongAnswer("GET /api/v1/auths/ is answered for somebody else")
    except WrongAnswer as error:
        # Where a second factor is required, whoever has none yet is refused; their automations are not.
        token = await token_for(user, "automation")
        try:
            await client.get("/api/v1/chats/?page=1", token)
        except WrongAnswer:
            raise error from None
    return token


async def ask(client: Client) -> list[str]:
    """What was asked for, in words. Raises WrongAnswer."""
    asked = []
    chats = rows(f"SELECT user_id, id FROM chat WHERE user_id IN ({PEOPLE}) ORDER BY updated_at DESC LIMIT 1")
    people = chats or rows(f"{PEOPLE} ORDER BY created_at LIMIT 1")
    for user, *chat in people:
        token = await sign_in(client, user)
        await client.get("/api/v1/chats/?page=1", token)
        asked += ["sign-in", "chats"]
        for id in chat:
            if (await client.get(f"/api/v1/chats/{id}", token)).get("id") != id:
                raise WrongAnswer(f"GET /api/v1/chats/{id} is answered with another chat")
            asked.append("a chat")
    document = f"SELECT user_id, id, path FROM file WHERE user_id IN ({PEOPLE}) ORDER BY created_at DESC LIMIT 1"
    for user, id, path in rows(document):
        token = await sign_in(client, user)
        if (await client.get(f"/api/v1/files/{id}", token)).get("id") != id:
            raise WrongAnswer(f"GET /api/v1/files/{id} is answered with another document")
        # An object store is not asked.
        if path and os.path.isfile(path):
            await client.read(f"/api/v1/files/{id}/content", token)
        asked.append("a document")
    return asked


async def serve_and_ask(app: Any) -> tuple[float, list[str]]:
    """The moment when it served, and what was asked for then."""
    import uvicorn

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    own: tuple[str, int] = listener.getsockname()
    connect_to_nothing_but(own)
    # Not uvloop, which connects without Python's knowing.
    server = uvicorn.Server(uvicorn.Config(app, loop="asyncio", lifespan="on"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        if serving.done():
            await serving
            raise RuntimeError("it ended before it served")
        await asyncio.sleep(0.05)
    served = time.monotonic()
    say(stage="ask")
    return served, await ask(Client(own[1]))


def rehearse() -> None:
    begun = time.monotonic()
    say(stage="migrate")
    import open_webui.config  # noqa: F401  (it migrates)

    migrated = time.monotonic()
    say(stage="start")
    from open_webui.main import app

    served, asked = asyncio.run(serve_and_ask(app))
    say(migrate=migrated - begun, start=served - migrated, asked=asked)


def main() -> None:
    go_first()
    code = 1
    try:
        rehearse()
        code = 0
    except BaseException:  # Open WebUI also ends by SystemExit
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of the app, and its farewell to others, are not waited for.
    os._exit(code)


if __name__ == "__main__":
    main()
