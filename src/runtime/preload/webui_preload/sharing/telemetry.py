"""Lets OpenTelemetry be set up in each worker, and not ahead of the forks.

Open WebUI sets it up while its main module is imported (ENABLE_OTEL, 0.12.4). That starts threads and opens
connections, which no fork may copy. So the import is recorded, with its place among the app's middleware, and each
worker does it for itself, under an id of its own: a collector would mix up counters of workers with one id.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import logging
import os
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

#: Sets up traces and metrics: main calls its function ``setup``.
SETUP = "open_webui.utils.telemetry.setup"

#: Sets up the export of logs when it is imported, which the first log line does.
LOGS = "open_webui.utils.telemetry.logs"

#: OpenTelemetry's own variable, and the attribute that tells processes of one service apart.
ATTRIBUTES, INSTANCE = "OTEL_RESOURCE_ATTRIBUTES", "service.instance.id"


def name_instance() -> None:
    """Give this process an id of its own among those of its service; an id that the user has set is its beginning."""
    if os.environ.get("ENABLE_OTEL", "").lower() != "true":
        return
    attributes = [part for part in os.environ.get(ATTRIBUTES, "").split(",") if part.strip()]
    named = [part for part in attributes if part.partition("=")[0].strip() == INSTANCE]
    base = named[-1].partition("=")[2].strip() if named else socket.gethostname()
    others = [part for part in attributes if part not in named]
    os.environ[ATTRIBUTES] = ",".join([*others, f"{INSTANCE}={base}:{os.getpid()}"])


@dataclass
class HeldTelemetry:
    """What the import asked for."""

    #: The set-up, and how many middlewares the app had before it.
    _calls: list[tuple[Callable[[], object], Any, int]] = field(default_factory=list)

    def hold(self, setup: Callable[..., object]) -> Callable[..., None]:
        """A function that notes the call instead of making it."""

        def note(app: Any, *args: Any, **kwargs: Any) -> None:
            self._calls.append((lambda: setup(app, *args, **kwargs), app, len(app.user_middleware)))

        return note

    def start(self) -> None:
        """Set up what was held back. Call it in a worker, before its app answers. Raises what the set-up raises."""
        for setup, app, inner in self._calls:
            before = list(app.user_middleware)
            setup()
            # Each middleware is put before those that the app has, and runs before them.
            added = app.user_middleware[: len(app.user_middleware) - len(before)]
            place = len(before) - inner
            app.user_middleware[:] = [*before[:place], *added, *before[place:]]


class HoldTelemetryBack:
    """While active, the set-up of telemetry is noted in ``held``, and log lines of the import are not exported."""

    def __init__(self) -> None:
        self.held = HeldTelemetry()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname == LOGS:
            return importlib.machinery.ModuleSpec(fullname, _NoExport())
        if fullname == SETUP:
            spec = importlib.machinery.PathFinder.find_spec(fullname, path)
            if spec and spec.loader:
                spec.loader = _Held(spec.loader, self.held)
            return spec
        return None

    def __enter__(self) -> None:
        sys.meta_path.insert(0, self)

    def __exit__(self, *exception: object) -> None:
        sys.meta_path.remove(self)
        if sys.modules.pop(LOGS, None):
            package, _, name = LOGS.rpartition(".")
            vars(sys.modules[package]).pop(name, None)


class _NoExport(importlib.abc.Loader):
    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["otel_handler"] = logging.NullHandler()


class _Held(importlib.abc.Loader):
    """Loads the module, and puts the note in the place of its ``setup``."""

    def __init__(self, loader: importlib.abc.Loader, held: HeldTelemetry) -> None:
        self._loader = loader
        self._held = held

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        vars(module)["setup"] = self._held.hold(vars(module)["setup"])
