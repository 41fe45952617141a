import ast
import contextlib
import importlib
import json
import os
import unittest
from functools import partial
from pathlib import Path

from child import in_child
from webui_preload.installed import open_webui_folder
from webui_preload.shortcuts.quick_import.changelog import first_versions, shown_versions, shown_versions_alone

MAIN = "from env import CHANGELOG\n\nanswer = {key: CHANGELOG[key] for idx, key in enumerate(CHANGELOG) if idx < 5}\n"
TEXT = "# Changelog\n\n## [0.3] - c\n\n- one\n\n## [0.2] - b\n\n- two\n\n## [0.1] - a\n\n- three\n"


class ChangelogTest(unittest.TestCase):
    def test_the_rest_is_left_out(self) -> None:
        self.assertEqual(first_versions(TEXT, 2), TEXT[: TEXT.index("## [0.1]")])

    def test_what_has_no_more_is_whole(self) -> None:
        for text in (TEXT, "", TEXT.replace("# Changelog", "# Guide")):
            with self.subTest(text):
                self.assertEqual(first_versions(text, 3 if text == TEXT else 1), text)

    def test_an_app_that_shows_it_in_another_way_is_left_alone(self) -> None:
        self.assertEqual(shown_versions(MAIN), 5)
        self.assertIsNone(shown_versions(MAIN + "print(CHANGELOG)\n"))
        self.assertIsNone(shown_versions("print('nothing')"))

    def test_the_installed_app_shows_the_same(self) -> None:
        """The real module, once as it is and once with what is spared."""
        shown = shown_versions((open_webui_folder() / "main.py").read_text())
        assert shown
        whole, spared = (json.loads(in_child(partial(changes, spare))) for spare in (False, True))
        self.assertGreater(len(whole), len(spared))
        self.assertEqual(spared, whole[:shown])

    def test_the_installed_app_shows_it_in_one_place(self) -> None:
        users = [
            path.relative_to(open_webui_folder()).as_posix()
            for path in open_webui_folder().rglob("*.py")
            if any(isinstance(node, ast.alias) and node.name == "CHANGELOG" for node in ast.walk(read(path)))
        ]
        self.assertEqual(users, ["main.py"])


def read(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


def changes(spare: bool) -> str:
    os.environ.setdefault("WEBUI_SECRET_KEY", "of a test")
    with shown_versions_alone() if spare else contextlib.nullcontext(True) as is_known:
        assert is_known
        env = importlib.import_module("open_webui.env")
    return json.dumps(list(env.CHANGELOG.items()))
