import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from webui_preload.static import cache as static_cache
from webui_preload.static.cache import StaticPacking
from webui_preload.static.pack import PREFIX, Pack, PackError, make_pack, pack_path

CONTENT = b"export const answer = 42;\n" * 100


class Case(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.frontend = Path(folder.name) / "frontend"
        self.cache = Path(folder.name) / "cache"
        self.add("a.js", CONTENT)
        # The program finds its package by itself, as at a real start.
        environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self.enterContext(mock.patch.dict(os.environ, environ, clear=True))
        patch = mock.patch.object(static_cache, "complain", lambda text: self.said.append(text))
        self.said: list[str] = []
        patch.start()
        self.addCleanup(patch.stop)
        quiet = mock.patch.object(static_cache, "say")
        quiet.start()
        self.addCleanup(quiet.stop)

    def add(self, name: str, content: bytes) -> Path:
        path = self.frontend / PREFIX.strip("/") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path


class PackTest(Case):
    def test_every_file_is_found_and_no_other(self) -> None:
        names = [f"chunks/{number}.js" for number in range(300)]
        for name in names:
            self.add(name, name.encode())
        pack = Pack(make_pack(self.frontend, self.cache))
        self.assertEqual(pack.count, 301)
        for name in names:
            file = pack.find(PREFIX + name)
            assert file
            self.assertEqual(bytes(pack.body(file, "identity")), name.encode())
            self.assertIsNone(pack.find(PREFIX + name + "x"))

    def test_bodies_are_kept_only_where_they_are_smaller(self) -> None:
        self.add("noise.js", os.urandom(4000))
        self.add("tiny.js", b"x" * 20)
        self.add("empty.js", b"")
        self.add("font.woff2", CONTENT)
        pack = Pack(make_pack(self.frontend, self.cache))
        codings = {
            name: set(file.bodies)
            for name in ("a.js", "noise.js", "tiny.js", "empty.js", "font.woff2")
            if (file := pack.find(PREFIX + name))
        }
        alone = {"identity"}
        self.assertEqual(
            codings,
            {
                "a.js": {"identity", "br", "zstd", "gzip"},
                "noise.js": alone,
                "tiny.js": alone,
                "empty.js": alone,
                "font.woff2": alone,
            },
        )

    def test_it_is_made_once_and_anew_when_a_file_changes(self) -> None:
        first = make_pack(self.frontend, self.cache)
        inode = first.stat().st_ino
        self.assertEqual(make_pack(self.frontend, self.cache).stat().st_ino, inode)
        other = self.cache / "ffffffff-0000000000000000.pack"
        other.touch()
        self.add("a.js", CONTENT + b"//")
        second = make_pack(self.frontend, self.cache)
        self.assertNotEqual(first, second)
        self.assertFalse(first.exists(), "the one of the former files")
        self.assertTrue(other.exists(), "the one of another folder")
        self.assertEqual(second, pack_path(self.frontend, self.cache))

    def test_a_link_out_of_the_folder_is_not_followed(self) -> None:
        os.symlink("/etc/passwd", self.add("x.js", b"").with_name("link.js"))
        self.assertIsNone(Pack(make_pack(self.frontend, self.cache)).find(PREFIX + "link.js"))

    def test_half_a_pack_is_none(self) -> None:
        path = make_pack(self.frontend, self.cache)
        whole = path.read_bytes()
        for content in (whole[:-1], whole[:20], b"", b"x" * len(whole)):
            path.write_bytes(content)
            with self.assertRaises(PackError):
                Pack(path)
        with self.assertRaises(PackError):
            Pack(path.with_name("missing"))


class StaticPackingTest(Case):
    def packing(self, computed: frozenset[str] = frozenset(), /, **environ: str) -> StaticPacking:
        return StaticPacking(self.cache, {"FRONTEND_BUILD_DIR": str(self.frontend), **environ}, computed)

    def test_the_pack_is_made_beside_the_import(self) -> None:
        static = self.packing().finish()
        assert static
        self.assertIsNotNone(static.pack.find(PREFIX + "a.js"))
        self.assertTrue(static.compresses)
        self.assertEqual(self.cache.stat().st_mode & 0o777, 0o700)
        self.assertEqual(self.said, [])

    def test_none_is_made_where_none_is_wanted(self) -> None:
        self.assertIsNone(StaticPacking(None, {"FRONTEND_BUILD_DIR": str(self.frontend)}, frozenset()).finish())
        self.assertFalse(self.cache.exists())

    def test_the_app_answers_where_it_records_who_reads_what(self) -> None:
        recorded = {"AUDIT_LOG_LEVEL": "metadata", "ENABLE_AUDIT_GET_REQUESTS": "True"}
        self.assertIsNone(self.packing(frozenset(), **recorded).finish())
        self.assertIsNotNone(self.packing(AUDIT_LOG_LEVEL="METADATA").finish())

    def test_compression_is_the_users_to_turn_off(self) -> None:
        off = {"ENABLE_COMPRESSION_MIDDLEWARE": "False"}
        for computed, compresses in ((frozenset[str](), False), (frozenset(off), True)):
            static = self.packing(computed, **off).finish()
            assert static
            self.assertEqual(static.compresses, compresses)

    def test_what_cannot_be_packed_is_said_and_left_to_the_app(self) -> None:
        self.assertIsNone(self.packing(FRONTEND_BUILD_DIR="/nowhere").finish())
        self.cache.rmdir()
        self.cache.write_text("a file")
        self.assertIsNone(self.packing().finish())
        self.assertEqual(len(self.said), 2)
        self.assertTrue(all("static files are the app's to answer" in text for text in self.said))
