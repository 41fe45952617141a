"""Finds the route of a request without matching all of the app's several hundred patterns."""

import copy
from typing import Any

from fastapi import routing as fastapi
from starlette import routing as starlette

from ..asgi import Receive, Scope, Send

#: Matching methods that begin with the literal part of the path. Routes with another method are tried for each path.
_BY_PATH = (
    starlette.Route.matches,
    starlette.WebSocketRoute.matches,
    starlette.Mount.matches,
    fastapi.APIRoute.matches,
    fastapi.APIWebSocketRoute.matches,
)


class _Node:
    """The routes for paths that begin with the same literal segments."""

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        #: Places in the app's list of the routes that begin with exactly these segments.
        self.own: list[int] = []
        #: Places of the routes of all nodes above.
        self.above: list[int] = []
        #: The app's router with these routes alone, made for the first request.
        self.router: starlette.Router | None = None


class RouteIndex:
    """Replaces ``router.middleware_stack``: calls Starlette's router with those routes only that can match.

    They keep their order, so that the first match is the same. The routes that are left out begin with other
    segments.
    """

    def __init__(self, router: starlette.Router) -> None:
        self._router = router
        self._whole = router.middleware_stack
        self._build()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope.get("root_path"):
            await self._whole(scope, receive, send)
            return
        if self._routes != self._router.routes:  # compares identities
            self._build()
        scope.setdefault("router", self._router)
        await self._router_for(scope["path"]).app(scope, receive, send)

    def _router_for(self, path: str) -> starlette.Router:
        node = self._root
        # The end of a route's pattern (`$`) matches ahead of a newline, too.
        for segment in path[1:].removesuffix("\n").split("/"):
            child = node.children.get(segment)
            if child is None:
                break
            node = child
        if node.router is None:
            node.router = copy.copy(self._router)
            node.router.routes = [self._routes[place] for place in sorted(node.above + node.own)]
        return node.router

    def _build(self) -> None:
        self._routes = list(self._router.routes)
        self._root = _Node()
        for place, route in enumerate(self._routes):
            node = self._root
            for segment in _literal_segments(route):
                node = node.children.setdefault(segment, _Node())
            node.own.append(place)
        waiting = [self._root]
        while waiting:
            node = waiting.pop()
            for child in node.children.values():
                child.above = node.above + node.own
                waiting.append(child)


def index_routes(router: starlette.Router) -> bool:
    """Put the index in place. Returns False, and changes nothing, where the router is not Starlette's own."""
    if type(router).app is not starlette.Router.app or router.middleware_stack != router.app:
        return False
    router.middleware_stack = RouteIndex(router)
    return True


def _literal_segments(route: Any) -> list[str]:
    """The whole segments with which every path begins that ``route`` matches."""
    if type(route).matches not in _BY_PATH:
        return []
    literal, parameter, _ = route.path_format.partition("{")
    segments: list[str] = literal[1:].split("/")
    if parameter:
        segments.pop()  # it belongs to the parameter's segment
    while segments and not segments[-1]:
        segments.pop()  # a slash at the end, which a redirection may add or remove
    return segments
