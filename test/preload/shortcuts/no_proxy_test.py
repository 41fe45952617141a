import asyncio
import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import aiohttp
from child import in_child
from webui_preload.shortcuts.no_proxy import spare_environment

URL = "http://127.0.0.1:1"


async def trusts() -> bool:
    async with aiohttp.ClientSession(URL, trust_env=True) as session:
        return session.trust_env


class NoProxyTest(unittest.TestCase):
    def setUp(self) -> None:
        self.home = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.enterContext(mock.patch.dict(os.environ, {"HOME": str(self.home)}, clear=True))

    def outcome(self) -> str:
        """Whether it is spared, and whether a session trusts the environment afterwards; in a process of its own."""
        return in_child(lambda: f"spared: {spare_environment()}, trusts: {asyncio.run(trusts())}")

    def test_spares_where_there_is_neither(self) -> None:
        self.assertEqual(self.outcome(), "spared: True, trusts: False")

    def test_exceptions_alone_are_no_proxy(self) -> None:
        os.environ["NO_PROXY"] = "localhost"
        self.assertEqual(self.outcome(), "spared: True, trusts: False")

    def test_a_proxy_is_used(self) -> None:
        for name in ("HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            with self.subTest(name), mock.patch.dict(os.environ, {name: "http://proxy.test:3128"}):
                self.assertEqual(self.outcome(), "spared: False, trusts: True")

    def test_passwords_are_used(self) -> None:
        (self.home / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
        self.assertEqual(self.outcome(), "spared: False, trusts: True")

    def test_passwords_elsewhere_are_used(self) -> None:
        os.environ["NETRC"] = "/etc/netrc"
        self.assertEqual(self.outcome(), "spared: False, trusts: True")

    def test_without_a_home_it_is_left_alone(self) -> None:
        with mock.patch.object(Path, "expanduser", side_effect=RuntimeError):
            self.assertEqual(self.outcome(), "spared: False, trusts: True")

    def test_an_unknown_aiohttp_is_left_alone(self) -> None:
        with mock.patch.object(aiohttp, "ClientSession", lambda base, **named: None):
            self.assertFalse(spare_environment())


if __name__ == "__main__":
    unittest.main()
