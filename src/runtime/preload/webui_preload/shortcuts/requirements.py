"""Lets a worker's start-up install only those packages of administrators' functions and tools that are missing.

In the start-up of each worker, Open WebUI runs ``pip install`` with all of them, and waits for it (utils/plugin.py,
0.12.4). That takes a second or more, and minutes where pip does not reach the package index.
"""

import contextlib
import importlib
import importlib.metadata
import os
from collections.abc import Iterator
from typing import Any

#: pip's settings unless the user has set them: it tries once, and waits five seconds for an answer.
_PIP_LIMITS = {"PIP_RETRIES": "0", "PIP_DEFAULT_TIMEOUT": "5", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def install_missing_alone(main: Any) -> None:
    """Let the start-up of the app skip packages that are installed. ``main``: the module open_webui.main."""
    name = "install_tool_and_function_dependencies"
    if not hasattr(main, name):
        return  # another version
    install_all = getattr(main, name)

    async def install() -> None:
        plugin: Any = importlib.import_module("open_webui.utils.plugin")
        run_pip = plugin.install_frontmatter_requirements

        def install_missing(requirements: str) -> None:
            if missing := missing_of(requirements):
                with _limited():
                    run_pip(", ".join(missing))

        plugin.install_frontmatter_requirements = install_missing
        try:
            await install_all()
        finally:
            plugin.install_frontmatter_requirements = run_pip

    setattr(main, name, install)


def missing_of(requirements: str) -> list[str]:
    """Those of a comma-separated list that are not installed in the version asked for, or that only pip can judge."""
    names = [name.strip() for name in requirements.split(",")]
    return [name for name in dict.fromkeys(names) if name and not _is_met(name)]


def _is_met(text: str) -> bool:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        wanted = Requirement(text)
        installed = importlib.metadata.version(wanted.name)
    except (InvalidRequirement, importlib.metadata.PackageNotFoundError):
        return False
    if wanted.extras or wanted.url:
        return False
    return wanted.specifier.contains(installed, prereleases=True)


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """Make pip, a child of this process, give up soon."""
    ours = {name: value for name, value in _PIP_LIMITS.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]
