"""Lets the import of Open WebUI read only those versions of its changelog that it shows.

open_webui/env.py (0.12.4) turns the whole changelog into HTML, and parses that: 1.7 s of CPU and 70 MiB. The app uses
the result for one answer, /api/changelog, which has the newest versions only.
"""

import contextlib
import importlib
import re
from collections.abc import Iterator
from typing import Any

from ...installed import open_webui_folder

#: How main.py builds its answer, and how often it names the changelog: the import, and twice there.
_SHOWN = re.compile(r"\{key: CHANGELOG\[key\] for idx, key in enumerate\(CHANGELOG\) if idx < (\d+)\}")
_USES = 3

_TITLE = "# Changelog\n"
_VERSION = re.compile(r"^## \[", re.MULTILINE)


@contextlib.contextmanager
def shown_versions_alone() -> Iterator[bool]:
    """While active, markdown turns a changelog into HTML only as far as it is shown.

    False: this Open WebUI uses its changelog in another way, and all of it is turned into HTML.
    """
    versions = shown_versions((open_webui_folder() / "main.py").read_text())
    if versions is None:
        yield False
        return
    # One of Open WebUI's libraries, which has no types.
    markdown: Any = importlib.import_module("markdown")
    whole = markdown.markdown

    def shortened(text: str, *args: Any, **kwargs: Any) -> Any:
        return whole(first_versions(text, versions), *args, **kwargs)

    markdown.markdown = shortened
    try:
        yield True
    finally:
        markdown.markdown = whole


def shown_versions(source: str) -> int | None:
    """How many versions the app with this ``main.py`` shows; None: it does not say so in the way that is known."""
    shown = _SHOWN.search(source)
    return int(shown[1]) if shown and source.count("CHANGELOG") == _USES else None


def first_versions(text: str, count: int) -> str:
    """A changelog without what follows its first ``count`` versions; any other text as it is."""
    starts = [match.start() for match in _VERSION.finditer(text)]
    return text[: starts[count]] if text.startswith(_TITLE) and len(starts) > count else text
