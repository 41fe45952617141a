"""The answers of a command: JSON lines on stdout."""

import json
from collections.abc import Mapping
from typing import Any, TextIO

from .messages import Finding, Progress


class Refused(Exception):
    """The command cannot be done as asked. ``code`` is for programs, ``mends`` say what a person can do."""

    def __init__(self, code: str, message: str, *mends: str) -> None:
        super().__init__(message)
        self.code = code
        self.mends = mends


class Answers:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def progress(self, progress: Progress) -> None:
        self._write("progress", progress)

    def finding(self, finding: Finding) -> None:
        self._write("finding", finding)

    def result(self, result: Mapping[str, Any]) -> None:
        self._write("result", result)

    def error(self, refused: Refused) -> None:
        self._write("error", {"code": refused.code, "message": str(refused), "mends": list(refused.mends)})

    def _write(self, kind: str, fields: Mapping[str, Any]) -> None:
        # A lone surrogate of a broken text must not end the command: JSON escapes it.
        print(json.dumps({"type": kind, **fields}, ensure_ascii=True), file=self._stream, flush=True)
