"""Before the import: waits until the database and Redis answer, and reads what is configured in the database."""

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from ..configured import ALL, Configured
from ..contract import DEFAULT_MODEL
from ..log import say
from ..models.local_models import NO_MODELS, LocalModels
from ..settings import SettingsError, database_url
from . import broker

#: Seconds between two attempts; each pause doubles, from the first to the last.
FIRST_DELAY, LAST_DELAY = 0.25, 5.0

#: Seconds that an attempt to connect may take.
CONNECT_TIMEOUT = 5


class _NotYet(Exception):
    """The service does not answer, but may soon."""


#: Gives the value of a key of the table ``config`` or else of a variable or a default, and where it is set.
_Value = Callable[[str, str, Any], tuple[Any, str]]


@dataclass(frozen=True)
class Engines:
    """Whether this installation embeds or reranks in its own process, and where that is set."""

    local: bool
    reason: str
    #: What workers load when they start.
    models: LocalModels = NO_MODELS
    configured: Configured = ALL


def wait_for_services(environ: Mapping[str, str], pause: Callable[[float], None] = time.sleep) -> None:
    """Wait until the database and Redis answer, with a line in the log for each that does not; ``pause`` waits.

    Raises SettingsError where waiting does not help: a missing driver, a wrong password, a database that does not
    exist.
    """
    url = database_url(environ)
    if not url.startswith("sqlite"):
        _retry("the database", _where(url), lambda: _connect_database(url), pause)
    if environ.get("REDIS_URL"):
        _retry("Redis", broker.where(environ), lambda: _connect_redis(environ), pause)


def count_neighbours(environ: Mapping[str, str]) -> int:
    """How many processes of other installations listen on our Redis server. Call it while no worker of ours runs.

    Neither ``REDIS_KEY_PREFIX`` nor a database number keeps two installations apart: socket.io's channel has no
    prefix, and Pub/Sub ignores the number.
    """
    if not environ.get("REDIS_URL") or environ.get("WEBSOCKET_MANAGER") != "redis":
        return 0
    import redis

    try:
        with broker.connected(environ) as client:
            [(_, listeners)] = client.pubsub_numsub("socketio")
            return int(listeners)
    except redis.RedisError:
        return 0  # our user is not allowed to ask


def ask_engines(environ: Mapping[str, str]) -> Engines:
    """Which engines and tools are set: in the ``config`` table, which wins after the first boot, or the environment.

    Keys and defaults are those of open_webui/config.py and of initialize_runtime_config in open_webui/main.py
    (0.12.4).
    """
    stored = _stored_config(environ) if environ.get("ENABLE_PERSISTENT_CONFIG", "true").lower() == "true" else {}

    def value(key: str, variable: str, default: Any) -> tuple[Any, str]:
        if key in stored:
            return stored[key], f"{key} in the database"
        return environ.get(variable, default), variable

    tools, _ = value("tool_server.connections", "TOOL_SERVER_CONNECTIONS", "[]")
    configured = Configured(_names_mcp(tools), _searches_hybrid(value))
    return replace(_engines(environ, value), configured=configured)


def _engines(environ: Mapping[str, str], value: _Value) -> Engines:
    embedding, where = value("rag.embedding_engine", "RAG_EMBEDDING_ENGINE", "")
    if _is_true(environ.get("USE_SLIM_DOCKER")):
        return Engines(False, "USE_SLIM_DOCKER leaves local models out")
    reranker, where_reranker = _local_reranker(value)
    if not embedding:
        model, _ = value("rag.embedding_model", "RAG_EMBEDDING_MODEL", DEFAULT_MODEL)
        reason = f"documents are embedded by a local model ({where} is empty)"
        return Engines(True, reason, LocalModels(str(model or ""), reranker))
    if reranker:
        reason = f"results are ranked by a local model ({where_reranker} is {reranker!r})"
        return Engines(True, reason, LocalModels(reranker=reranker))
    return Engines(False, f"documents are embedded elsewhere ({where} is {embedding!r})")


def _local_reranker(value: _Value) -> tuple[str, str]:
    """The model that a worker's start-up loads to rank results (empty: none), and where it is set."""
    bypass, _ = value("rag.bypass_embedding_and_retrieval", "BYPASS_EMBEDDING_AND_RETRIEVAL", False)
    engine, _ = value("rag.reranking_engine", "RAG_RERANKING_ENGINE", "")
    model, where = value("rag.reranking_model", "RAG_RERANKING_MODEL", "")
    is_loaded = model and engine != "external" and _searches_hybrid(value) and not _is_true(bypass)
    return (str(model) if is_loaded else "", where)


def _searches_hybrid(value: _Value) -> bool:
    hybrid, _ = value("rag.enable_hybrid_search", "ENABLE_RAG_HYBRID_SEARCH", False)
    return _is_true(hybrid)


def _names_mcp(tools: Any) -> bool:
    """Whether one of these tool servers, a list or its JSON, is asked by MCP. In doubt it is."""
    try:
        servers = json.loads(tools) if isinstance(tools, str) else tools or []
        return any(server.get("type") == "mcp" for server in servers)
    except (ValueError, TypeError, AttributeError):
        return True


def _is_true(value: Any) -> bool:
    return value is True or str(value).lower() == "true"


def _stored_config(environ: Mapping[str, str]) -> dict[str, Any]:
    from sqlalchemy import Column, MetaData, String, Table, create_engine, inspect, or_, select
    from sqlalchemy.pool import NullPool
    from sqlalchemy.types import JSON

    url = database_url(environ)
    if url.startswith("sqlite") and not os.path.exists(url.partition(":///")[2]):
        return {}  # connecting would create the file
    engine = create_engine(url, poolclass=NullPool)
    schema = environ.get("DATABASE_SCHEMA") or None
    with engine.connect() as connection:
        columns = (
            {column["name"] for column in inspect(connection).get_columns("config", schema=schema)}
            if inspect(connection).has_table("config", schema=schema)
            else set()
        )
        if not {"key", "value"} <= columns:
            return {}  # the database is empty, or an older version's, which the import will migrate
        table = Table("config", MetaData(), Column("key", String), Column("value", JSON), schema=schema)
        wanted = or_(table.c.key.like("rag.%"), table.c.key == "tool_server.connections")
        rows = connection.execute(select(table.c.key, table.c.value).where(wanted))
        return {row.key: row.value for row in rows}


def _connect_database(url: str) -> None:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError
    from sqlalchemy.pool import NullPool

    try:
        arguments = {"connect_timeout": CONNECT_TIMEOUT} if url.startswith("postgres") else {}
        with create_engine(url, poolclass=NullPool, connect_args=arguments).connect():
            pass
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        # An ArgumentError may quote the URL, password and all.
        reason = "it is not a database URL" if type(error) is ArgumentError else _without_secrets(error)
        raise SettingsError(
            f"DATABASE_URL cannot be used: {reason}. "
            "Write it as postgresql://user:password@host:5432/name, and install the driver: "
            "pip install 'open-webui[postgres]'"
        ) from None
    except OperationalError as error:
        text = _without_secrets(error.orig)
        if any(sign in text for sign in ("authentication failed", "does not exist", "no pg_hba.conf entry")):
            raise SettingsError(f"the database refuses us: {text}. Correct DATABASE_URL.") from None
        raise _NotYet(text) from None


def _connect_redis(environ: Mapping[str, str]) -> None:
    import redis

    try:
        with broker.connected(environ) as client:
            client.ping()
    except ValueError as error:
        raise SettingsError(f"REDIS_URL cannot be used: {error}") from None
    except redis.AuthenticationError as error:
        raise SettingsError(f"Redis refuses us: {error}. Correct REDIS_URL.") from None
    except redis.RedisError as error:
        raise _NotYet(_without_secrets(error)) from None


def _retry(service: str, where: str, connect: Callable[[], None], pause: Callable[[float], None]) -> None:
    delay, since = FIRST_DELAY, 0.0
    while True:
        try:
            connect()
        except _NotYet as reason:
            if not since:
                since = time.monotonic()
                say(f"waiting for {service} at {where}: {reason}")
            pause(delay)
            delay = min(delay * 2, LAST_DELAY)
        else:
            if since:
                say(f"{service} answers, after {time.monotonic() - since:.1f} s")
            return


def _where(url: str) -> str:
    """Host and port of ``url``, without the user and password that it may hold."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] or parts.path or "its socket"


def _without_secrets(error: object) -> str:
    """First line of the message. Drivers put no password there, but SQLAlchemy may in the lines after it."""
    return str(error).strip().partition("\n")[0]
