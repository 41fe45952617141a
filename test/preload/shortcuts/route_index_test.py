import asyncio
import unittest
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Route, Router
from webui_preload.ask import ask
from webui_preload.shortcuts.route_index import RouteIndex, index_routes


def make_app() -> FastAPI:
    app = FastAPI()
    chats = APIRouter()

    @chats.get("/")
    @chats.get("/list")
    async def all_chats() -> str:
        return "all"

    @chats.get("/{id}")
    async def one_chat(id: str) -> str:
        return f"one {id}"

    @chats.get("/pinned")
    async def pinned() -> str:
        return "never: the one above takes it"

    @chats.post("/{id}/share")
    async def share(id: str) -> str:
        return f"share {id}"

    app.include_router(chats, prefix="/api/v1/chats")

    @app.get("/api/v1/chats-{kind}/x")
    async def kinds(kind: str) -> str:
        return f"kind {kind}"

    @app.get("/{anything}/v1/late")
    async def late(anything: str) -> str:
        return f"late {anything}"

    @app.get("/api/v1/late")
    async def too_late() -> str:
        return "never"

    async def text(request: Any) -> PlainTextResponse:
        return PlainTextResponse(f"text {request.url.path} {request.scope.get('root_path')}")

    app.mount("/static", Router([Route("/{path:path}", text)]))
    app.router.routes.append(Host("other.example", Router([Route("/api/v1/chats/list", text)])))
    app.mount("/", Router([Route("/page", text), Route("/deep/page/", text)]))
    return app


PATHS = (
    "/api/v1/chats",
    "/api/v1/chats/",
    "/api/v1/chats//",
    "/api/v1/chats/list",
    "/api/v1/chats/list\n",
    "/api/v1/chats/list\n\n",
    "/api/v1/chats\n/list",
    "/api/v1/chats/list/",
    "/api/v1/chats/pinned",
    "/api/v1/chats/7",
    "/api/v1/chats/7/share",
    "/api/v1/chats-old/x",
    "/api/v1/late",
    "/x/v1/late",
    "/api//v1/late",
    "/api/v1",
    "/api",
    "/static",
    "/static/",
    "/static/a/b.css",
    "/page",
    "/deep/page",
    "/nothing/here",
    "/",
    "",
    "//",
    "/openapi.json",
    "/API/V1/CHATS/list",
)


class RouteIndexTest(unittest.TestCase):
    def test_answers_as_the_whole_list_does(self) -> None:
        plain, indexed = make_app(), make_app()
        self.assertTrue(index_routes(indexed.router))
        for method in ("GET", "POST", "HEAD", "OPTIONS"):
            for path in PATHS:
                with self.subTest(f"{method} {path}"):
                    self.assertEqual(answer(indexed, method, path), answer(plain, method, path))

    def test_tries_few(self) -> None:
        app = make_app()
        index = RouteIndex(app.router)
        paths = [getattr(route, "path", None) for route in index._router_for("/api/v1/chats/7").routes]
        self.assertIn("/api/v1/chats/{id}", paths)
        self.assertNotIn("/static", paths)
        self.assertNotIn("/openapi.json", paths)
        self.assertLess(len(paths), len(app.router.routes))

    def test_sees_a_route_that_comes_later(self) -> None:
        app = make_app()
        index_routes(app.router)
        self.assertEqual(answer(app, "GET", "/static/late")[1], b"text /static/late /static")
        app.router.routes.insert(0, Route("/static/late", lambda _: PlainTextResponse("new")))
        self.assertEqual(answer(app, "GET", "/static/late")[1], b"new")

    def test_tells_the_route_and_the_router(self) -> None:
        app = make_app()
        index_routes(app.router)
        seen: dict[str, Any] = {}

        async def look(request: Any) -> PlainTextResponse:
            seen.update(request.scope)
            return PlainTextResponse(str(request.url_for("one_chat", id="a")))

        route = Route("/look/{id}", look)
        app.router.routes.insert(0, route)
        self.assertEqual(answer(app, "GET", "/look/7")[1], b"http://localhost/api/v1/chats/a")
        self.assertIs(seen["router"], app.router)
        self.assertIs(seen["route"], route)
        self.assertEqual(seen["path_params"], {"id": "7"})

    def test_leaves_a_router_with_a_way_of_its_own(self) -> None:
        class Other(Router):
            async def app(self, scope: Any, receive: Any, send: Any) -> None:
                await PlainTextResponse("mine")(scope, receive, send)

        self.assertFalse(index_routes(Other()))


def answer(app: FastAPI, method: str, path: str) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    found = asyncio.run(ask(app, path, method=method))
    return found.status, found.body, found.headers
