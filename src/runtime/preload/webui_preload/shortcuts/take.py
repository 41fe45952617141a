"""What a worker spares the app, without changing an answer of it: docs/speed.md has the figures."""

import importlib
from typing import Any

from ..log import complain


def take_shortcuts(app: Any) -> None:
    """Set up the imported app, whose engine has no connection yet; before the forks, so that workers share the rest.

    Where the app is not what these were made for, it works as it always did.
    """
    # These import what Open WebUI brings, and must not do so ahead of it.
    from .psycopg_wait import wait_lightly
    from .round_trips import spare_round_trips
    from .route_index import index_routes

    try:
        engine = importlib.import_module("open_webui.internal.db").async_engine.sync_engine
        if engine.dialect.name == "postgresql" and engine.dialect.driver == "psycopg":
            spare_round_trips(engine)
            if not wait_lightly():
                complain("this psycopg waits in another way than is known: its own is kept")
        if not index_routes(app.router):
            complain("the app's router is not one that is known: each request tries all of its routes")
    except Exception as error:
        complain(f"not the Open WebUI that the shortcuts were made for, so that it goes without: {error!r}")
