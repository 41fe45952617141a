"""Routes that are built once: the same app, for FastAPI's own description of it and for whoever asks."""

import contextlib
import gc
import hashlib
import importlib
import io
import json
import os
import sys
import tempfile
import unittest
from functools import partial
from typing import Any
from unittest import mock

from at_once import at_once
from child import in_child
from fastapi import APIRouter, Depends, FastAPI, Header, Security
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from pydantic import BaseModel
from webui_preload.sharing.levels import HEAVY_LIBRARIES
from webui_preload.shortcuts.quick_import import routes_once
from webui_preload.shortcuts.quick_import.routes_once import routes_built_once


class Boat(BaseModel):
    name: str
    length: float = 1.0


async def who_asks(token: str = Header("")) -> str:
    return f"holder of {token}"


async def who_may(person: str = Depends(who_asks)) -> str:
    return person.upper()


async def harbour_of(harbour: str) -> str:
    return f"harbour {harbour}"


def declare(router: APIRouter) -> None:
    @router.get("/boats", response_model=list[Boat])
    async def boats(person: str = Depends(who_may)) -> list[dict[str, str]]:
        return [{"name": person}]

    @router.post("/{harbour}/boats", status_code=201, dependencies=[Security(who_may, scopes=["write"])])
    async def add(boat: Boat, where: str = Depends(harbour_of), person: str = Depends(who_may)) -> dict[str, Any]:
        """Adds one."""
        return {"boat": boat.name, "where": where, "by": person}

    @router.get("/boats/{name}", responses={404: {"model": Boat}})
    async def one(name: str, where: str = Depends(harbour_of)) -> str:
        return f"{name} in {where}"


def make() -> tuple[FastAPI, APIRouter]:
    inner, router, app = APIRouter(), APIRouter(tags=["sea"]), FastAPI()
    declare(inner)
    router.include_router(inner, prefix="/sea")
    app.include_router(router, prefix="/api")

    @app.get("/own")
    async def own(person: str = Depends(who_asks)) -> str:
        return person

    return app, router


def ask(app: Any, prefix: str) -> list[Any]:
    client = TestClient(app)
    answers = [
        client.get(f"{prefix}/sea/boats", headers={"token": "a"}),
        client.post(f"{prefix}/sea/north/boats", headers={"token": "b"}, json={"name": "Heron"}),
        client.post(f"{prefix}/sea/north/boats", json={"length": "long"}),
        client.get(f"{prefix}/sea/boats/Heron?harbour=south"),
        client.get(f"{prefix}/sea/boats/Heron"),
    ]
    return [[answer.status_code, answer.json()] for answer in answers]


class RoutesOnceTest(unittest.TestCase):
    def setUp(self) -> None:
        self.plain, _ = make()
        with routes_built_once() as is_known:
            self.assertTrue(is_known)
            self.app, self.router = make()

    def test_the_app_is_the_same(self) -> None:
        self.assertEqual(self.app.openapi(), self.plain.openapi())
        self.assertEqual(ask(self.app, "/api"), ask(self.plain, "/api"))
        self.assertEqual(len(ask(self.app, "/api")[1][1]), 3)

    def test_a_dependency_is_taken_apart_once_for_each_set_of_parameters(self) -> None:
        routes = [route for route in self.app.routes if isinstance(route, APIRoute)]
        shared = {id(on) for route in routes for on in route.dependant.dependencies if on.call is who_may}
        everything = [on for route in routes for on in route.dependant.dependencies if on.call is who_may]
        # Of the three, one has scopes of its own, and two are of paths with other parameters.
        self.assertEqual((len(everything), len(shared)), (3, 3))
        again = {id(on) for route in routes for on in route.dependant.dependencies if on.call is harbour_of}
        self.assertEqual(len(again), 2)
        # In one it is a part of the path, in the other one of the query.
        self.assertEqual([answer[1] for answer in ask(self.app, "/api")][3], "Heron in harbour south")

    def test_a_router_without_an_app_answers_too(self) -> None:
        asked = FastAPI()
        asked.mount("/api", self.router)
        with_own = FastAPI()
        with_own.mount("/api", make()[1])
        self.assertNotIn("app", vars(self.router.routes[0]))
        self.assertEqual(ask(asked, "/api"), ask(with_own, "/api"))

    def test_what_was_changed_since_it_was_declared_stays(self) -> None:
        route: Any = self.router.routes[0]
        self.assertNotIn("dependant", vars(route))
        route.include_in_schema = False
        self.assertIs(route.dependant.call, route.endpoint)
        self.assertFalse(route.include_in_schema)
        self.assertEqual([on.call for on in route._flat_dependant.dependencies][:1], [who_may])

    def test_two_threads_get_one(self) -> None:
        route: Any = self.router.routes[0]
        one, other = at_once(lambda: route.dependant)
        self.assertIs(one, other)

    def test_what_no_route_has_is_missing_as_ever(self) -> None:
        for route in (self.router.routes[0], self.app.routes[-1]):
            with self.assertRaisesRegex(AttributeError, "no attribute 'rudder'"):
                route.rudder  # type: ignore[attr-defined]  # noqa: B018

    def test_another_fastapi_is_left_alone(self) -> None:
        init = APIRoute.__init__
        with (
            mock.patch.dict(routes_once.KNOWN, {"fastapi.routing:APIRoute.__init__": "another"}),
            routes_built_once() as is_known,
        ):
            self.assertFalse(is_known)
            self.assertIs(APIRoute.__init__, init)

    def test_the_installed_app_describes_itself_the_same(self) -> None:
        """All of its routes, with their parameters, bodies and answers, in FastAPI's own description."""
        plain, once = (in_child(partial(described, is_spared)).split() for is_spared in (False, True))
        self.assertGreater(int(plain[1]), 400, plain)
        self.assertEqual(once[:2], plain[:2])
        self.assertLess(int(once[2]), int(plain[2]) / 3)


def described(is_spared: bool) -> str:
    """A digest of the app's description, the number of its paths, and that of the dependants that are kept."""
    with tempfile.TemporaryDirectory() as folder:
        places = {name: f"{folder}/{name}" for name in ("DATA_DIR", "STATIC_DIR")}
        os.environ.update(places, FROM_INIT_PY="true", WEBUI_SECRET_KEY="of a test", OFFLINE_MODE="true")
        os.mkdir(places["DATA_DIR"])
        # As at the lean level: torch and its like take half a minute.
        sys.modules.update(dict.fromkeys(HEAVY_LIBRARIES))  # type: ignore[arg-type]
        spared = routes_built_once() if is_spared else contextlib.nullcontext()
        with spared, contextlib.redirect_stdout(io.StringIO()):  # it prints its name
            app = importlib.import_module("open_webui.main").app
        kept = sum(type(one) is Dependant for one in gc.get_objects())
        description = app.openapi()
    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()
    return f"{digest} {len(description['paths'])} {kept}"
