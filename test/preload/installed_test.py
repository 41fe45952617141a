"""Which Open WebUI is found: pip's package, or the source tree of the official image."""

import sys
import tempfile
import unittest
from pathlib import Path

from webui_preload.installed import open_webui_version, source_tree
from webui_preload.settings import apply_environment, read_settings


class PipPackage(unittest.TestCase):
    def test_is_no_source_tree(self) -> None:
        self.assertIsNone(source_tree())
        self.assertRegex(open_webui_version(), r"^0\.12\.")


class Image(unittest.TestCase):
    """/app/backend/open_webui, /app/package.json: the folders of the official image."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name, "app")
        package = self.root / "backend" / "open_webui"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (self.root / "package.json").write_text('{"version": "0.12.9"}')
        sys.path.insert(0, str(self.root / "backend"))
        self.addCleanup(sys.path.remove, str(self.root / "backend"))

    def test_says_its_version(self) -> None:
        self.assertEqual(source_tree(), self.root)
        self.assertEqual(open_webui_version(), "0.12.9")

    def test_is_not_taken_for_a_package_of_pip(self) -> None:
        environment = {
            "WEBUI_SECRET_KEY": "x",
            "WEBUI_TUNE_CONTROL_SOCKET": "/run/control.sock",
            "WEBUI_TUNE_HOST": "127.0.0.1",
            "WEBUI_TUNE_PORT": "8080",
        }
        apply_environment(read_settings(environment), environment)
        self.assertNotIn("FROM_INIT_PY", environment)
