import asyncio
import os
import sys
import types
import unittest
from unittest import mock

from webui_preload.shortcuts.requirements import install_missing_alone, missing_of


class RequirementsTest(unittest.TestCase):
    def test_only_what_is_not_there_as_asked_is_missing(self) -> None:
        # httpx comes with Open WebUI.
        wanted = "httpx, httpx>=0.1,  httpx<0.1, no-such-package-here==1, httpx[http2], not a requirement, "
        self.assertEqual(
            missing_of(wanted), ["httpx<0.1", "no-such-package-here==1", "httpx[http2]", "not a requirement"]
        )

    def test_a_start_up_runs_pip_for_missing_packages_alone_and_not_for_long(self) -> None:
        asked: list[tuple[str, str | None]] = []

        def run_pip(requirements: str) -> None:
            asked.append((requirements, os.environ.get("PIP_RETRIES")))

        plugin = types.SimpleNamespace(install_frontmatter_requirements=run_pip)
        wanted = "httpx"

        async def install_all() -> None:
            plugin.install_frontmatter_requirements(wanted)

        main = types.SimpleNamespace(install_tool_and_function_dependencies=install_all)
        with (
            mock.patch.dict(sys.modules, {"open_webui": mock.MagicMock(), "open_webui.utils.plugin": plugin}),
            mock.patch.dict(os.environ),
        ):
            os.environ.pop("PIP_RETRIES", None)
            install_missing_alone(main)
            asyncio.run(main.install_tool_and_function_dependencies())
            self.assertEqual(asked, [])
            wanted = "httpx, no-such-package-here"
            asyncio.run(main.install_tool_and_function_dependencies())
            self.assertEqual(asked, [("no-such-package-here", "0")])
            self.assertNotIn("PIP_RETRIES", os.environ)
        # An administrator who saves a function later has all of it installed as ever.
        self.assertIs(plugin.install_frontmatter_requirements, run_pip)
