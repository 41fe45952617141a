"""Lets workers skip work of the app without changing its answers; docs/speed.md has the figures."""

import importlib
from typing import Any

from ..log import complain


def take_shortcuts(app: Any) -> None:
    """Set up the imported app, before its engine has a connection and before the forks: workers share the result.

    An app of another version than the shortcuts were made for works as it always did.
    """
    # These import libraries of Open WebUI, which must not be imported before it.
    from .file_status import read_status_alone
    from .presence import look_up_presence
    from .psycopg_wait import wait_lightly
    from .round_trips import spare_round_trips
    from .route_index import index_routes
    from .streams.take import has_rooms_in_plain_redis, take_shortcuts_of_streams

    try:
        engine = importlib.import_module("open_webui.internal.db").async_engine.sync_engine
        if engine.dialect.name == "postgresql" and engine.dialect.driver == "psycopg":
            spare_round_trips(engine)
            if not wait_lightly():
                complain("this psycopg waits in another way than is known: its own is kept")
        if not index_routes(app.router):
            complain("the app's router is not one that is known: each request tries all of its routes")
        read_status_alone(app.routes)
        sockets = importlib.import_module("open_webui.socket.main")
        # In a cluster of Redis, each node counts its own listeners.
        if has_rooms_in_plain_redis(sockets.sio.manager) and not sockets.WEBSOCKET_REDIS_CLUSTER:
            look_up_presence(sockets)
        take_shortcuts_of_streams()
    except Exception as error:
        complain(f"not the Open WebUI that the shortcuts were made for, so that it goes without: {error!r}")
