"""With the installed packages."""

import unittest
from collections.abc import Mapping
from importlib import metadata
from unittest import mock

from webui_preload.shortcuts.quick_import.package_owners import packages_asked_singly


class PackageOwnersTest(unittest.TestCase):
    def setUp(self) -> None:
        self.every = metadata.packages_distributions()

    def test_says_the_same_of_each_package(self) -> None:
        with packages_asked_singly():
            owners = metadata.packages_distributions()
        self.assertEqual({package: set(owners[package]) for package in self.every}, sets(self.every))
        self.assertEqual(sets(dict(owners)), sets(self.every))
        self.assertIsNone(owners.get("no_such_package"))

    def test_looks_at_one_that_is_named_like_its_package_alone(self) -> None:
        # Its wheel says so in top_level.txt, as torch's does.
        with mock.patch.object(metadata, "packages_distributions", side_effect=AssertionError) as every:
            with packages_asked_singly():
                self.assertEqual(metadata.packages_distributions()["sqlalchemy"], ["SQLAlchemy"])
            every.assert_not_called()

    def test_is_gone_afterwards(self) -> None:
        real = metadata.packages_distributions
        with packages_asked_singly():
            self.assertIsNot(metadata.packages_distributions, real)
        self.assertIs(metadata.packages_distributions, real)


def sets(owners: Mapping[str, list[str]]) -> dict[str, set[str]]:
    return {package: set(names) for package, names in owners.items()}
