"""What the preload process keeps of itself, and which torch it has."""

import json
import stat
import sys
import tempfile
import unittest
from pathlib import Path

from webui_preload.contract import Env, Observed
from webui_preload.installed import torch_build
from webui_preload.observed import keep_preload, read_memory

PLAN = {"preset": "default", "settings": "digest"}


class KeepPreloadTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def keep(self, environ: dict[str, str], folder: Path | None = None) -> None:
        keep_preload(folder or self.folder, environ, generation="abcd", version="0.12.4", level="app")

    def test_its_figures_and_conditions_are_kept_privately(self) -> None:
        self.keep({Env.PLANNED: json.dumps(PLAN)})
        path = self.folder / Observed.PRELOAD
        kept = json.loads(path.read_text())
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertEqual([entry.name for entry in self.folder.iterdir()], [Observed.PRELOAD])
        self.assertEqual(kept["planned"], PLAN)
        self.assertEqual((kept["generation"], kept["openWebui"], kept["level"]), ("abcd", "0.12.4", "app"))
        self.assertEqual(kept["python"], ".".join(map(str, sys.version_info[:3])))
        self.assertRegex(kept["at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertGreater(kept["rss"], 1 << 20)
        self.assertGreaterEqual(kept["rss"], kept["private"])

    def test_nobody_who_asks_nothing_is_kept(self) -> None:
        self.keep({})
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_what_cannot_be_written_or_read_ends_nothing(self) -> None:
        self.keep({Env.PLANNED: json.dumps(PLAN)}, self.folder / "missing")
        self.keep({Env.PLANNED: "{"})
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_a_kernel_that_does_not_say(self) -> None:
        self.assertIsNone(read_memory(self.folder / "smaps_rollup"))
        (self.folder / "smaps_rollup").write_text("Rss:  12 kB\n")
        self.assertIsNone(read_memory(self.folder / "smaps_rollup"))


class TorchTest(unittest.TestCase):
    """Metadata as pip leaves it, ahead of what is really installed."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        sys.path.insert(0, str(self.folder))
        self.addCleanup(sys.path.remove, str(self.folder))

    def install(self, name: str, version: str, *requires: str) -> None:
        about = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        about.mkdir()
        lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {text}" for text in requires)]
        (about / "METADATA").write_text("Metadata-Version: 2.1\n" + "\n".join(lines) + "\n")

    def test_a_label_says_the_build(self) -> None:
        self.install("torch", "2.13.0+cpu")
        self.assertEqual(torch_build(), "2.13.0+cpu")

    def test_the_large_build_has_nvidias_libraries_beside_it(self) -> None:
        self.install("torch", "2.14.1", "jinja2", 'nvidia-cudnn-cu99==1.0; platform_system == "Linux"')
        self.assertEqual(torch_build(), "2.14.1")
        self.install("nvidia-cudnn-cu99", "1.0")
        self.assertEqual(torch_build(), "2.14.1 (CUDA)")

    def test_one_of_another_platform_has_none(self) -> None:
        self.install("torch", "2.14.1", "jinja2")
        self.assertEqual(torch_build(), "2.14.1")
