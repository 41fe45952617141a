"""The findings of a pass."""

import json
import os
from collections.abc import Collection
from typing import IO

from ..answers import Answers
from ..messages import Finding


class Report:
    """Replaces that of the pass before when it is complete. ``keep``: collections whose lines are still true."""

    def __init__(self, path: str, answers: Answers, keep: Collection[str]) -> None:
        self._path = path
        self._answers = answers
        self._file: IO[str] = open(  # noqa: SIM115 — closed by ``complete``
            os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
        )
        if keep and os.path.exists(path):
            with open(path, encoding="utf-8") as before:
                self._file.writelines(line for line in before if json.loads(line)["table"] in keep)

    @staticmethod
    def chunks(path: str) -> dict[str, set[str]]:
        """Of each collection, the chunks that have a finding in the report of the pass before."""
        found: dict[str, set[str]] = {}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as before:
                for finding in map(json.loads, before):
                    if finding["key"] is not None:
                        found.setdefault(finding["table"], set()).add(finding["key"])
        return found

    def add(self, findings: list[Finding]) -> None:
        for finding in findings:
            print(json.dumps(finding), file=self._file)
            told = {key: value for key, value in finding.items() if key != "original"}
            self._answers.finding(told)  # type: ignore[arg-type]

    def complete(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(f"{self._path}.new", self._path)
