"""The packages that administrators' functions and tools ask for: a worker's start-up installs only those missing.

Open WebUI runs ``pip install`` with all of them in the start-up of each worker, and waits for it (utils/plugin.py,
0.12.4): a second or more each time, and minutes where the package index is not reached.
"""

import contextlib
import importlib
import importlib.metadata
import os
from collections.abc import Iterator
from typing import Any

#: pip's settings where the user has none: no second attempt, and seconds without an answer.
_PIP_LIMITS = {"PIP_RETRIES": "0", "PIP_DEFAULT_TIMEOUT": "5", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def install_missing_alone(main: Any) -> None:
    """Let the start-up of the app skip packages that are there; ``main``: the module open_webui.main."""
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
    """Those of a comma-separated list that are not installed as asked, and those that only pip can judge."""
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
    """pip, a child of this process, gives up soon."""
    ours = {name: value for name, value in _PIP_LIMITS.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]
