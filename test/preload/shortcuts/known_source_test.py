import unittest

from webui_preload.shortcuts.known_source import changed_functions, digest_of


class KnownSourceTest(unittest.TestCase):
    def test_a_name_that_is_not_there_has_no_digest(self) -> None:
        self.assertIsNone(digest_of("no.such.module:function"))
        self.assertIsNone(digest_of("asyncio:no_such_function"))
        self.assertIsNotNone(digest_of("asyncio:Lock.acquire"))

    def test_a_function_of_another_source_has_changed(self) -> None:
        acquire, release = "asyncio:Lock.acquire", "asyncio:Lock.release"
        digest = digest_of(acquire)
        assert digest
        self.assertEqual(changed_functions({acquire: digest, release: digest}), [release])
