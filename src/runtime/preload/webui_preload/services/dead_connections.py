"""Gives a connection up whose other end has fallen silent: a firewall, a cable or a machine has gone without a word.

TCP itself repeats what nobody acknowledges for a quarter of an hour, each time after twice as long. After a minute
without packets it waits most of another, though they pass again. Open WebUI sets no limit for PostgreSQL (0.12.4).
"""

import errno
import functools
import importlib
import socket
from collections.abc import Callable
from typing import Any

#: Seconds after which a connection is lost whose other end acknowledges nothing.
SILENCE = 10

#: Seconds without traffic before the kernel asks the other end whether it is there, and between two such questions.
IDLE, INTERVAL = 5, 2

#: Seconds that an attempt to connect may take: on a machine with far too much to do, a server takes more than five.
CONNECT_TIMEOUT = 10

#: libpq's own (PostgreSQL's manual, "Parameter Key Words"); milliseconds for tcp_user_timeout.
_LIBPQ = {
    "connect_timeout": CONNECT_TIMEOUT,
    "tcp_user_timeout": SILENCE * 1000,
    "keepalives_idle": IDLE,
    "keepalives_interval": INTERVAL,
}


def notice_dead_connections() -> None:
    """Call it before anything connects; forked processes share it. What DATABASE_URL itself says wins."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def limit(dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]) -> None:
        if dialect.name == "postgresql" and dialect.driver in ("psycopg", "psycopg2"):
            for name, value in _LIBPQ.items():
                parameters.setdefault(name, value)

    event.listen(Engine, "do_connect", limit)
    for module in ("redis.connection", "redis.asyncio.connection"):
        _limit_redis(importlib.import_module(module).Connection)
    parsers = importlib.import_module("redis._parsers")
    for name in ("_AsyncHiredisParser", "_AsyncRESP2Parser", "_AsyncRESP3Parser"):
        if parser := getattr(parsers, name, None):
            parser.read_response = _lost_when_given_up(parser.read_response)


def _limit_redis(connection: Any) -> None:
    """Let each connection of the class have these options, unless its owner has chosen others."""
    init = connection.__init__

    def with_limits(self: Any, *args: Any, **settings: Any) -> None:
        if socket_options := _socket_options():
            settings.setdefault("socket_keepalive", True)
            settings.setdefault("socket_keepalive_options", socket_options)
        init(self, *args, **settings)

    connection.__init__ = with_limits


def _lost_when_given_up(read: Callable[..., Any]) -> Callable[..., Any]:
    """Tell a connection that the kernel has given up from a read that may be repeated.

    To Python (3.11) both are TimeoutError. redis-py (8.0) repeats the read of a subscriber at once and for ever, and
    the event loop stands still.
    """

    @functools.wraps(read)
    async def attempt(*args: Any, **kwargs: Any) -> Any:
        try:
            return await read(*args, **kwargs)
        except TimeoutError as error:
            if error.errno != errno.ETIMEDOUT:
                raise
            raise importlib.import_module("redis").ConnectionError(f"Connection closed: {error}") from error

    return attempt


def _socket_options() -> dict[int, int]:
    """Empty where the system has them under other names."""
    names = {"TCP_USER_TIMEOUT": SILENCE * 1000, "TCP_KEEPIDLE": IDLE, "TCP_KEEPINTVL": INTERVAL}
    options = {getattr(socket, name, None): value for name, value in names.items()}
    return {} if None in options else {option: value for option, value in options.items() if option is not None}
