"""Spares transformers a look at all files of all installed packages: it asks which of them brings torch."""

import contextlib
import functools
import importlib.metadata
from collections.abc import Iterator, Mapping
from typing import Any


@contextlib.contextmanager
def packages_asked_singly() -> Iterator[None]:
    """While active, ``importlib.metadata.packages_distributions`` looks at all only when it is asked for all.

    transformers 5.5.4 asks for two packages, both named like what brings them.
    """
    metadata: Any = importlib.metadata
    every = metadata.packages_distributions
    metadata.packages_distributions = lambda: _Owners(every)
    try:
        yield
    finally:
        metadata.packages_distributions = every


class _Owners(Mapping[str, list[str]]):
    """Names of what brings a package; of one that brings a package of its own name, that name alone."""

    def __init__(self, every: Any) -> None:
        self._every = functools.cache(every)

    def __getitem__(self, package: str) -> list[str]:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            named_alike = importlib.metadata.distribution(package)
            if package in (named_alike.read_text("top_level.txt") or "").split():
                return [named_alike.metadata["Name"]]
        found: list[str] = self._every()[package]
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._every())

    def __len__(self) -> int:
        return len(self._every())
