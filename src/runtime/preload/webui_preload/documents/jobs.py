"""The jobs, each in a file of the run folder: a worker writes it, a helper reads it, and its end removes it."""

import json
import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from ..contract import RunFolder

_NAME = re.compile(r"[0-9a-f]{32}")

#: ``upload``: all that follows the upload of a file, up to its status; nobody has to wait for it.
#: ``index``: the content of a file goes into a collection; a request waits for it, and its end is that of the job.
Kind = Literal["upload", "index"]


@dataclass(frozen=True)
class Job:
    """One document to be processed, with what the app's function takes (helper.py)."""

    kind: Kind
    file_id: str
    user_id: str
    arguments: dict[str, Any]
    name: str = field(default_factory=lambda: uuid4().hex)


class Jobs:
    """Those of one run folder. Every method may raise OSError."""

    def __init__(self, run_folder: Path) -> None:
        self._folder = run_folder / RunFolder.DOCUMENTS

    def put(self, job: Job) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._write(self._path(job.name, "job"), asdict(job))

    def get(self, name: str) -> Job | None:
        """None where there is none of the name, or its file is none of ours."""
        kept = self._read(self._path(name, "job"))
        try:
            return None if kept is None else Job(**kept)
        except TypeError:
            return None

    def begin(self, job: Job) -> int:
        """How often it has begun by now; it ended neither time before."""
        starts = os.open(self._path(job.name, "starts"), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(starts, b".")
            return os.fstat(starts).st_size
        finally:
            os.close(starts)

    def remove(self, job: Job) -> None:
        for ending in ("job", "starts"):
            self._path(job.name, ending).unlink(missing_ok=True)

    def left(self) -> list[Job]:
        """Those of an earlier start, the oldest first."""
        files = list(self._folder.glob("*.job"))
        files.sort(key=lambda path: path.stat().st_mtime)
        found = [self.get(path.stem) for path in files if is_name(path.stem)]
        return [job for job in found if job]

    # --- what came of it, for a request that waits ------------------------------------------------

    def put_result(self, job: Job, result: dict[str, Any]) -> None:
        self._write(self._path(job.name, "result"), result)

    def take_result(self, job: Job) -> dict[str, Any] | None:
        path = self._path(job.name, "result")
        result = self._read(path)
        path.unlink(missing_ok=True)
        return result

    def _path(self, name: str, ending: str) -> Path:
        return self._folder / f"{name}.{ending}"

    @staticmethod
    def _read(path: Path) -> dict[str, Any] | None:
        try:
            kept = json.loads(path.read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return kept if isinstance(kept, dict) else None

    @staticmethod
    def _write(path: Path, content: dict[str, Any]) -> None:
        """All of it or nothing: who reads it may come at any time."""
        temporary = path.with_suffix(f".{os.getpid()}")
        try:
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
                json.dump(content, file)
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def is_name(name: str) -> bool:
    """Whether it is one that a job has; names come from the control socket and become paths."""
    return _NAME.fullmatch(name) is not None
