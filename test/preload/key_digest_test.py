import stat
import tempfile
import unittest
from pathlib import Path

from webui_preload.contract import KEY_DIGEST
from webui_preload.key_digest import keep_key_digest


class KeyDigestTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def keep(self, key: str) -> str | None:
        return keep_key_digest({"DATA_DIR": str(self.folder), "WEBUI_SECRET_KEY": key})

    def test_another_key_is_told_once(self) -> None:
        self.assertIsNone(self.keep("one"))
        self.assertIsNone(self.keep("one"))
        self.assertIn("is not the one of the last start", self.keep("two") or "")
        self.assertIsNone(self.keep("two"))

    def test_the_file_is_private_and_stays_while_the_key_does(self) -> None:
        self.keep("one")
        path = self.folder / KEY_DIGEST
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertNotIn("one", path.read_text())
        before = path.read_text()
        self.keep("one")
        self.assertEqual(path.read_text(), before)
        self.assertEqual([entry.name for entry in self.folder.iterdir()], [KEY_DIGEST])

    def test_a_broken_file_is_written_anew(self) -> None:
        (self.folder / KEY_DIGEST).write_text("{")
        self.assertIsNone(self.keep("one"))
        self.assertIn("is not the one", self.keep("two") or "")

    def test_without_a_key_or_a_folder_nothing_is_kept(self) -> None:
        self.assertIsNone(self.keep(""))
        self.assertIsNone(keep_key_digest({"DATA_DIR": "/nowhere", "WEBUI_SECRET_KEY": "one"}))
        self.assertEqual(list(self.folder.iterdir()), [])
