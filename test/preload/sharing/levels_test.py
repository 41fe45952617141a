import gc
import sys
import tempfile
import textwrap
import threading
import time
import types
import unittest
from pathlib import Path
from unittest import mock

from child import in_child
from webui_preload.models.local_models import LocalModels
from webui_preload.sharing import levels


class PreloadTest(unittest.TestCase):
    """A package of the same name stands in for Open WebUI, to make it unsafe in each way on purpose."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.package = Path(folder.name) / "open_webui"
        self.package.mkdir()
        (self.package / "__init__.py").touch()
        (self.package / "env.py").touch()
        sys.path.insert(0, folder.name)
        self.addCleanup(sys.path.remove, folder.name)
        for name in [name for name in sys.modules if name.startswith("open_webui")]:
            del sys.modules[name]

    def app(self, source: str) -> None:
        (self.package / "main.py").write_text(textwrap.dedent(source))

    def preload(self, level: str = levels.APP) -> str:
        def check() -> str:
            done = levels.preload(level, "a test", "0.12.4")
            return f"{done.level}, {len(done.identities.places)} ids, frozen {gc.get_freeze_count() > 1000}"

        return in_child(check)

    def test_a_quiet_app_is_preloaded_and_frozen(self) -> None:
        self.app("import uuid\nINSTANCE_ID = str(uuid.uuid4())\n")
        self.assertEqual(self.preload(), "app, 1 ids, frozen True")

    def test_a_thread_makes_it_unsafe(self) -> None:
        self.app("import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n")
        self.assertEqual(self.preload(), "Unsafe: 1 Python thread")

    def test_a_model_that_leaves_a_thread_is_what_makes_it_unsafe(self) -> None:
        self.app("import uuid\nINSTANCE_ID = str(uuid.uuid4())\n")

        def leave_a_thread(_models: LocalModels) -> list[str]:
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
            return ["a model"]

        def check() -> str:
            with mock.patch.object(levels, "share_models", leave_a_thread):
                try:
                    levels.preload(levels.APP, "a test", "0.12.4", models=lambda: LocalModels("a model"))
                except levels.Unsafe as obstacle:
                    return f"{obstacle}, without its {obstacle.part}"
            return "safe"

        self.assertEqual(in_child(check), "1 Python thread, without its local models")

    def test_an_event_loop_of_a_native_library_makes_it_unsafe(self) -> None:
        self.app("import select\nLOOP = select.epoll()\n")
        self.assertEqual(self.preload(), "Unsafe: an event loop of a native library (eventpoll)")

    def test_an_id_that_cannot_be_renewed_makes_it_unsafe(self) -> None:
        self.app("import uuid\nIDS = (str(uuid.uuid4()), [])\n")
        self.assertIn("Unsafe: ids that cannot be renewed", self.preload())

    def test_lean_hides_the_heavy_libraries_during_the_import_only(self) -> None:
        self.app(
            """
            try:
                import torch
            except ModuleNotFoundError:
                torch = None
            """
        )
        stand_in = self.package.parent / "torch.py"
        stand_in.touch()

        def check() -> str:
            levels.preload(levels.LEAN, "a test", "0.12.4")
            hidden = sys.modules["open_webui.main"].torch is None
            import torch

            return f"hidden {hidden}, then {Path(str(torch.__file__)).name}"

        self.assertEqual(in_child(check), "hidden True, then torch.py")

    def test_parsed_markup_is_forgotten_and_all_else_kept(self) -> None:
        from bs4 import BeautifulSoup

        module = types.ModuleType("env")
        vars(module).update(
            soup=BeautifulSoup("<p>1</p>", "html.parser"), CHANGELOG={"0.12.4": {}}, parse=BeautifulSoup
        )
        levels.drop_markup(module)
        self.assertEqual({name for name in vars(module) if not name.startswith("__")}, {"CHANGELOG", "parse"})

    def test_every_level_but_the_last_has_a_next_one(self) -> None:
        self.assertEqual(levels.NEXT_LEVEL[levels.APP], levels.LIBRARIES)
        self.assertEqual(levels.NEXT_LEVEL[levels.LEAN], levels.LIBRARIES)
        self.assertEqual(levels.NEXT_LEVEL[levels.LIBRARIES], levels.NONE)

    def test_the_libraries_are_those_that_the_app_imports_at_its_top_level(self) -> None:
        self.app(
            """
            import json
            from xml.dom import minidom
            from . import sub
            import open_webui.env
            def f():
                import csv
            """
        )
        (self.package / "broken.py").write_text("def (")
        self.assertEqual(levels.third_party_modules(self.package), ["json", "xml.dom"])

    def test_level_libraries_leaves_the_app_to_the_worker(self) -> None:
        self.app("import colorsys\nimport a_library_that_is_not_installed\n")

        def check() -> str:
            with mock.patch.object(levels, "_SERVER_PARTS", ()):
                levels.preload(levels.LIBRARIES, "a test", "0.12.4")
            return f"{'colorsys' in sys.modules} {'open_webui.main' in sys.modules}"

        self.assertEqual(in_child(check), "True False")
