"""The Redis of the settings: the server that they name, or the master that their sentinels name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from redis import Redis

#: Seconds that an attempt to connect may take, and an answer.
CONNECT_TIMEOUT = 5


def where(environ: Mapping[str, str]) -> str:
    """The server or the sentinels in words, without user and password."""
    if hosts := environ.get("REDIS_SENTINEL_HOSTS"):
        port = environ.get("REDIS_SENTINEL_PORT") or "26379"
        return f"{_master(environ)} (sentinels {hosts}, port {port})"
    parts = urlsplit(environ["REDIS_URL"])
    return parts.netloc.rpartition("@")[2] or parts.path or "its socket"


@contextlib.contextmanager
def connected(environ: Mapping[str, str]) -> Iterator[Redis]:
    """A client of the server, or of the present master. All of its connections are closed at the end.

    Raises ValueError where the settings cannot be used, redis.RedisError where nothing answers.
    """
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    with contextlib.ExitStack() as stack:
        if environ.get("REDIS_SENTINEL_HOSTS"):
            client = _of_master(environ, stack)
        else:
            client = redis.Redis.from_url(
                environ["REDIS_URL"],
                socket_connect_timeout=CONNECT_TIMEOUT,
                socket_timeout=CONNECT_TIMEOUT,
                retry=Retry(NoBackoff(), 0),
            )
        stack.callback(client.close)
        yield client


def _of_master(environ: Mapping[str, str], stack: contextlib.ExitStack) -> Redis:
    """A client of the master, as in open_webui/utils/redis.py (0.12.4): sentinels get REDIS_URL's credentials."""
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry
    from redis.sentinel import MasterNotFoundError

    url = urlsplit(environ["REDIS_URL"])
    port = environ.get("REDIS_SENTINEL_PORT") or "26379"
    if not port.isdecimal():
        raise ValueError("REDIS_SENTINEL_PORT is not a number")
    reasons: list[str] = []
    refusals = 0
    for host in filter(None, map(str.strip, environ["REDIS_SENTINEL_HOSTS"].split(","))):
        sentinel = redis.Redis(
            host=host,
            port=int(port),
            username=url.username,
            password=url.password,
            socket_connect_timeout=CONNECT_TIMEOUT,
            socket_timeout=CONNECT_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )
        stack.callback(sentinel.close)
        try:
            masters: Any = sentinel.sentinel_masters()
            state = masters.get(_master(environ))
        except redis.RedisError as error:
            refusals += isinstance(error, redis.AuthenticationError)
            reasons.append(f"{host}: {error}")
            continue
        if not state:
            reasons.append(f"{host}: it does not know the name")
        elif state["is_sdown"] or state["is_odown"]:
            reasons.append(f"{host}: it takes the master for dead")
        else:
            return redis.Redis(
                host=state["ip"],
                port=state["port"],
                db=int(url.path.lstrip("/") or 0),
                username=url.username,
                password=url.password,
                socket_connect_timeout=CONNECT_TIMEOUT,
                socket_timeout=CONNECT_TIMEOUT,
                retry=Retry(NoBackoff(), 0),
            )
    if refusals and refusals == len(reasons):
        raise redis.AuthenticationError(
            f"{'; '.join(reasons)}; the sentinels must have the password of REDIS_URL, for Open WebUI has no other"
        )
    raise MasterNotFoundError(f"no sentinel names a master {_master(environ)} ({'; '.join(reasons)})")


def _master(environ: Mapping[str, str]) -> str:
    """Name of the master: the host of REDIS_URL in its own case, or Open WebUI's default."""
    return urlsplit(environ["REDIS_URL"]).netloc.rpartition("@")[2].partition(":")[0] or "mymaster"
