import importlib
import sys
import tempfile
import unittest
from pathlib import Path
from types import ModuleType
from typing import Any

from at_once import at_once
from webui_preload.shortcuts.quick_import.stand_ins import put_off

LIBRARY = """
class Box:
    size = 3

    def __init__(self, content=None):
        self.content = content

class Trouble(Exception):
    pass

def fail():
    raise Trouble("no boxes")
"""
APP = """
import shelf
from shelf.boxes import Box, Trouble as Failure, fail
from shelf import boxes
from neighbour import Box as OfNeighbour

Pair = tuple[Box, int] | None

class Crate:
    pass

def caught():
    try:
        fail()
    except Failure as failure:
        return str(failure)
"""


class StandInsTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        here = Path(folder.name)
        (here / "shelf").mkdir()
        (here / "shelf" / "__init__.py").write_text("NAME = 'of oak'\n")
        (here / "shelf" / "boxes.py").write_text(LIBRARY)
        (here / "shelf" / "room.py").touch()
        (here / "shelf" / "crates.py").write_text("from .boxes import Box\nfrom . import room\n")
        (here / "neighbour.py").write_text("from tree.boxes import Box\n")
        (here / "tree").mkdir()
        (here / "tree" / "__init__.py").touch()
        (here / "tree" / "boxes.py").write_text(LIBRARY)
        (here / "app.py").write_text(APP)
        (here / "heir.py").write_text("from shelf.boxes import Box\n\nclass Crate(Box):\n    pass\n")
        (here / "dotted.py").write_text("import shelf.room\n")
        sys.path.insert(0, folder.name)
        self.addCleanup(sys.path.remove, folder.name)
        self.addCleanup(forget)
        importlib.invalidate_caches()

    def load(self, name: str = "app") -> ModuleType:
        with put_off({name: ("shelf", "shelf.boxes", "tree.boxes")}):
            return importlib.import_module(name)

    def test_nothing_is_imported_before_it_is_used(self) -> None:
        app = self.load()
        self.assertEqual([name for name in sys.modules if name.startswith("shelf")], [])
        self.assertEqual(app.Box(7).content, 7)
        boxes = sys.modules["shelf.boxes"]
        self.assertEqual(
            [app.shelf, app.Box, app.Failure, app.fail, app.boxes],
            [sys.modules["shelf"], *(vars(boxes)[name] for name in ("Box", "Trouble", "fail")), boxes],
        )

    def test_each_use_means_the_real_one(self) -> None:
        uses: dict[str, Any] = {
            "call": lambda app: app.Box(1).content == 1,
            "attribute of a class": lambda app: app.Box.size == 3,
            "attribute of a library": lambda app: app.shelf.NAME == "of oak",
            "a module that was named": lambda app: app.boxes.Box.size == 3,
            "except": lambda app: app.caught() == "no boxes",
            "isinstance": lambda app: not isinstance(app.Crate(), app.Box),
            "issubclass": lambda app: not issubclass(app.Crate, app.Box),
        }
        for name, use in uses.items():
            with self.subTest(name):
                forget()
                app = self.load()
                self.assertTrue(use(app))
                self.assertIs(app.Box, sys.modules["shelf.boxes"].Box)

    def test_who_kept_a_stand_in_has_the_real_one_all_the_same(self) -> None:
        kept = self.load().Box
        made = kept(1)
        self.assertIs(type(made), sys.modules["shelf.boxes"].Box)
        self.assertIsInstance(made, kept)
        self.assertTrue(issubclass(type(made), kept))

    def test_a_class_can_be_made_of_one(self) -> None:
        heir = self.load("heir")
        self.assertEqual(heir.Crate.__mro__[1], sys.modules["shelf.boxes"].Box)
        self.assertEqual(heir.Crate(5).content, 5)

    def test_what_a_module_imports_is_left_alone(self) -> None:
        app = self.load()
        self.assertIs(app.OfNeighbour, sys.modules["tree.boxes"].Box)

    def test_a_relative_statement_is_known_by_the_full_name(self) -> None:
        with put_off({"shelf.crates": ("shelf.boxes", "shelf")}):
            crates = importlib.import_module("shelf.crates")
        self.assertEqual({"shelf.boxes", "shelf.room"} & {*sys.modules}, set())
        self.assertEqual(crates.Box(2).content, 2)
        self.assertIs(crates.room, sys.modules["shelf.room"])

    def test_a_module_named_with_its_package_is_imported(self) -> None:
        self.assertIs(self.load("dotted").shelf.room, sys.modules["shelf.room"])

    def test_threads_may_use_it_first_at_once(self) -> None:
        for _ in range(50):
            forget()
            app = self.load()
            found = at_once(lambda app=app: type(app.Box()), 4)  # type: ignore[misc]
            self.assertEqual(found, [sys.modules["shelf.boxes"].Box] * 4)


def forget() -> None:
    for name in [*sys.modules]:
        if name.partition(".")[0] in ("shelf", "tree", "app", "heir", "dotted", "neighbour"):
            del sys.modules[name]
