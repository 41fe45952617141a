"""Spares FastAPI what it builds twice, or hundreds of times alike.

A route is built where its router declares it, and again where the app includes the router, which reads of the first
one only what it was declared with. And nearly every route depends on who asks: FastAPI takes that dependency apart
for each of them, where one for all does. docs/speed.md has the figures.
"""

import contextlib
import functools
import threading
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from ..known_source import changed_functions

#: The functions whose steps are relied upon, as in FastAPI 0.136.3: digests of their source.
KNOWN = {
    "fastapi.routing:APIRoute.__init__": "780ff510da36d3c9",
    "fastapi.routing:APIRouter.include_router": "2951919269f196a3",
    "fastapi.dependencies.utils:get_dependant": "1edf0dc3fc1cac91",
}

#: What a route has beside what it was declared with.
_BUILT = (
    "response_field",
    "response_fields",
    "stream_item_field",
    "dependant",
    "_flat_dependant",
    "_embed_body_fields",
    "body_field",
    "is_sse_stream",
    "is_json_stream",
    "app",
)
_DECLARED = "_webui_tune_declared"

#: Two threads may ask a route at once.
_building = threading.RLock()


@contextlib.contextmanager
def routes_built_once() -> Iterator[bool]:
    """While active, routes of a router that belongs to no app are built when they are asked for what is built.

    A route of an app does not keep what its own building alone reads, and makes it again for whoever asks.

    False: this FastAPI is not the one that is known, and builds as it does.
    """
    if changed_functions(KNOWN):
        yield False
        return
    # Libraries of Open WebUI.
    from fastapi import routing
    from fastapi.dependencies import utils

    whole, get_dependant = routing.APIRoute.__init__, utils.get_dependant
    routing.APIRoute.__init__ = _declaring(whole)  # type: ignore[method-assign]
    # It stays: routes are asked later.
    routing.APIRoute.__getattr__ = _building_with(whole)  # type: ignore[attr-defined]
    utils.get_dependant = _sharing(get_dependant)
    try:
        yield True
    finally:
        routing.APIRoute.__init__ = whole  # type: ignore[method-assign]
        utils.get_dependant = get_dependant


def _declaring(whole: Any) -> Any:
    """``APIRoute.__init__`` that leaves out the building where no app is named."""
    from fastapi import routing

    declare = FunctionType(whole.__code__, {**vars(routing), **_NOTHING_BUILT}, whole.__name__)
    declare.__kwdefaults__ = whole.__kwdefaults__

    @functools.wraps(whole)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        if type(self) is not routing.APIRoute or kwargs.get("dependency_overrides_provider") is not None:
            whole(self, *args, **kwargs)
            del self.__dict__["_flat_dependant"]
            return
        declare(self, *args, **kwargs)
        for name in _BUILT:
            del self.__dict__[name]
        self.__dict__[_DECLARED] = args, kwargs

    return init


class _NoDependant:
    """In the place of a dependant: what ``APIRoute.__init__`` asks of one."""

    is_gen_callable = is_async_gen_callable = is_coroutine_callable = False

    def __init__(self) -> None:
        self.call = _nothing
        self.dependencies: list[Any] = []
        self.body_params: list[Any] = []


def _nothing(*_: Any, **__: Any) -> None:
    return None


_NOTHING_BUILT = {
    "create_model_field": _nothing,
    "get_dependant": lambda **_: _NoDependant(),
    "get_parameterless_sub_dependant": _nothing,
    "get_flat_dependant": lambda _: _NoDependant(),
    "_should_embed_body_fields": lambda _: False,
    "get_body_field": _nothing,
    "request_response": _nothing,
}


def _building_with(whole: Any) -> Any:
    """``APIRoute.__getattr__``: called for what a route does not have."""
    from fastapi.dependencies.utils import get_flat_dependant

    def getattr_(self: Any, name: str) -> Any:
        if name == "_flat_dependant" and "dependant" in self.__dict__:
            return get_flat_dependant(self.dependant)
        if name not in _BUILT or _DECLARED not in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
        with _building:
            if _DECLARED in self.__dict__:
                args, kwargs = self.__dict__[_DECLARED]
                since = dict(self.__dict__)
                whole(self, *args, **kwargs)
                # What somebody has changed since it was declared.
                self.__dict__.update(since)
                del self.__dict__[_DECLARED]
        return getattr(self, name)

    return getattr_


def _sharing(get_dependant: Any) -> Any:
    """``get_dependant`` that takes each dependency of a route apart once. Nobody changes them later."""
    from fastapi.utils import get_path_param_names

    shared: dict[Any, Any] = {}

    @functools.wraps(get_dependant)
    def get(**of: Any) -> Any:
        if of.get("name") is None:  # of the route itself: it is added to
            return get_dependant(**of)
        scopes = (tuple(of.get(which) or ()) for which in ("own_oauth_scopes", "parent_oauth_scopes"))
        # Whether a parameter is one of the path depends on the path.
        parameters = frozenset(get_path_param_names(of["path"]))
        key = (of["call"], of["name"], *scopes, of.get("use_cache"), of.get("scope"), parameters)
        try:
            if key not in shared:
                shared[key] = get_dependant(**of)
            return shared[key]
        except TypeError:  # what is called has no hash
            return get_dependant(**of)

    return get
