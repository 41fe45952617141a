import importlib
import os
import unittest

from child import in_child
from webui_preload.shortcuts.quick_import.placeholder_hash import HASH, ready_made_hash


class PlaceholderHashTest(unittest.TestCase):
    def test_it_is_what_bcrypt_computes(self) -> None:
        import bcrypt

        self.assertEqual(bcrypt.hashpw(b"placeholder", HASH[:29]), HASH)
        # A comparison with it takes as long as one with a password's.
        self.assertEqual(HASH[:7], bcrypt.gensalt()[:7])

    def test_all_else_is_computed(self) -> None:
        import bcrypt

        cheap = bcrypt.gensalt(4)
        computed = [bcrypt.hashpw(word, cheap) for word in (b"placeholder", b"another")]
        with ready_made_hash():
            self.assertEqual([bcrypt.hashpw(word, cheap) for word in (b"placeholder", b"another")], computed)
            self.assertEqual(bcrypt.hashpw(b"placeholder", bcrypt.gensalt()), HASH)
        self.assertNotEqual(bcrypt.hashpw(b"placeholder", bcrypt.gensalt()), HASH)

    def test_the_installed_app_takes_it(self) -> None:
        def taken() -> str:
            os.environ.setdefault("WEBUI_SECRET_KEY", "of a test")
            os.environ.setdefault("FROM_INIT_PY", "true")
            with ready_made_hash():
                return str(importlib.import_module("open_webui.models.auths").PLACEHOLDER_HASH)

        self.assertEqual(in_child(taken), HASH.decode())
