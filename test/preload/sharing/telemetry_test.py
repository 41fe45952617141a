import os
import sys
import tempfile
import textwrap
import threading
import unittest
from pathlib import Path
from unittest import mock

from child import in_child
from webui_preload.sharing import levels, telemetry

MAIN = """
import logging
from fastapi import FastAPI
app = FastAPI()

@app.middleware("http")
async def inner(request, call_next):
    return await call_next(request)

from open_webui.utils.telemetry.setup import setup as setup_opentelemetry
setup_opentelemetry(app=app, db_engine="the engine")

from open_webui.utils.telemetry.logs import otel_handler
otel_handler.emit(logging.makeLogRecord({"msg": "of the import"}))

@app.middleware("http")
async def outer(request, call_next):
    return await call_next(request)
"""

SETUP = """
import os
import threading
import time

ENGINES = []

def setup(app, db_engine):
    ENGINES.append(db_engine)
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()

    @app.middleware("http")
    async def measured(request, call_next):
        return await call_next(request)
"""

LOGS = """
import logging
import threading
import time
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
otel_handler = logging.StreamHandler()
"""


class HoldTelemetryBackTest(unittest.TestCase):
    """A package of the same name stands in for Open WebUI: the real one needs packages that are not its own."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        package = Path(folder.name) / "open_webui"
        files = {
            "env.py": "",
            "main.py": MAIN,
            "utils/telemetry/setup.py": SETUP,
            "utils/telemetry/logs.py": LOGS,
        }
        for name, text in files.items():
            path = package / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
            (path.parent / "__init__.py").touch()
        (package / "utils/__init__.py").touch()
        sys.path.insert(0, folder.name)
        self.addCleanup(sys.path.remove, folder.name)
        for name in [name for name in sys.modules if name.startswith("open_webui")]:
            del sys.modules[name]

    def after(self, work: str) -> str:
        """What ``work`` is worth in a process that has preloaded the app."""

        def check() -> str:
            done = levels.preload(levels.APP, "a test", "0.12.4")
            names = {"done": done, "modules": sys.modules, "threads": lambda: threading.active_count() - 1}
            exec(textwrap.dedent(work), names)
            return str(names["answer"])

        return in_child(check)

    def test_the_import_starts_no_thread_and_each_worker_does(self) -> None:
        answer = self.after(
            """
            before = threads()
            done.telemetry.start()
            answer = done.level, before, threads(), modules["open_webui.utils.telemetry.setup"].ENGINES
            """
        )
        self.assertEqual(answer, "('app', 0, 1, ['the engine'])")

    def test_its_middleware_gets_the_place_that_the_import_gave_it(self) -> None:
        answer = self.after(
            """
            done.telemetry.start()
            answer = [one.kwargs["dispatch"].__name__ for one in modules["open_webui.main"].app.user_middleware]
            """
        )
        self.assertEqual(answer, "['outer', 'measured', 'inner']")

    def test_logs_are_exported_by_the_worker_alone(self) -> None:
        answer = self.after(
            """
            held = "open_webui.utils.telemetry.logs" in modules
            from open_webui.utils.telemetry.logs import otel_handler
            answer = held, type(otel_handler).__name__, threads()
            """
        )
        self.assertEqual(answer, "(False, 'StreamHandler', 1)")


class NameInstanceTest(unittest.TestCase):
    def named(self, environ: dict[str, str]) -> str | None:
        with mock.patch.dict(os.environ, environ, clear=True):
            telemetry.name_instance()
            return os.environ.get(telemetry.ATTRIBUTES)

    def test_each_process_has_an_id_of_its_own(self) -> None:
        named = self.named({"ENABLE_OTEL": "True", telemetry.ATTRIBUTES: "team=chat"})
        self.assertRegex(str(named), rf"^team=chat,service\.instance\.id=[^,]+:{os.getpid()}$")

    def test_the_users_id_is_its_beginning(self) -> None:
        named = self.named({"ENABLE_OTEL": "true", telemetry.ATTRIBUTES: "service.instance.id=pod-7,team=chat"})
        self.assertEqual(named, f"team=chat,service.instance.id=pod-7:{os.getpid()}")

    def test_nothing_changes_without_telemetry(self) -> None:
        self.assertIsNone(self.named({}))
