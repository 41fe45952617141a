"""Asks the hub for the list of files of a repository, and downloads them."""

import contextlib
import fcntl
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..log import say
from .cache import code_elsewhere, endpoint_of, is_whole, storage_folder
from .files import RemoteFile, code_only, files_to_fetch

#: Seconds between two lines of progress.
PROGRESS_INTERVAL = 5.0

#: Ends the name of a file that is not complete yet.
_PARTIAL = ".webui-tune-partial"


class CannotFetch(Exception):
    """A model cannot be fetched; the text says why, for a person."""


class NotGiven(CannotFetch):
    """The hub answered, but does not give us such a model."""


@dataclass(frozen=True)
class Snapshot:
    """The present revision of a repository, and its files, from the hub."""

    repository: str
    revision: str
    files: list[RemoteFile]


class Hub:
    """The hub at HF_ENDPOINT. Requests use the user's proxies and token."""

    def __init__(self, environ: Mapping[str, str], stall: int) -> None:
        import httpx
        from huggingface_hub import get_token

        self.endpoint = endpoint_of(environ)
        self._environ = environ
        self._stall = stall
        self._httpx = httpx
        # Not the library's own headers: it asks the hub for them, with retries (/api/agent-harnesses, 1.33).
        headers = {"User-Agent": "webui-tune"}
        if token := get_token():
            headers["Authorization"] = f"Bearer {token}"
        self._client = httpx.Client(headers=headers, follow_redirects=True, timeout=None)
        self._told = 0.0

    def look_up(self, repository: str) -> Snapshot:
        """Raises CannotFetch."""
        with self._explained():
            answer = self._client.get(f"{self.endpoint}/api/models/{repository}/revision/main?blobs=true")
            self._check(answer, repository)
            try:
                content = answer.json()
                files = [RemoteFile.parse(entry) for entry in content["siblings"]]
                revision = content["sha"]
                if not (len(revision) == 40 and int(revision, 16) >= 0):
                    raise ValueError
            except (ValueError, KeyError, TypeError, AttributeError):
                kind = answer.headers.get("content-type", "nothing that is known").partition(";")[0]
                raise CannotFetch(f"{self.endpoint} does not answer as Hugging Face does, but with {kind}") from None
        return Snapshot(repository, revision, files)

    def fetch(self, snapshot: Snapshot) -> None:
        """Download what a model needs of its repository, and of those whose code it uses. Raises CannotFetch."""
        folder = self._bring(snapshot, files_to_fetch(snapshot.files, self._environ))
        for repository in sorted({repository for repository, _ in code_elsewhere(folder)}):
            other = self.look_up(repository)
            self._bring(other, code_only(other.files))
            _publish(storage_folder(repository, self._environ), other.revision)
        _publish(storage_folder(snapshot.repository, self._environ), snapshot.revision)
        if not is_whole(folder, self._environ):
            raise CannotFetch(f"what {self.endpoint} has of it is no model that can be loaded")

    def _bring(self, snapshot: Snapshot, files: list[RemoteFile]) -> Path:
        storage = storage_folder(snapshot.repository, self._environ)
        folder = storage / "snapshots" / snapshot.revision
        total, had = sum(file.size for file in files), 0
        for listed in files:
            signal.alarm(self._stall)
            file = listed if listed.digest else self._complete(snapshot, listed)
            total += file.size - listed.size
            blob = storage / "blobs" / file.digest
            if not (blob.is_file() and blob.stat().st_size == file.size):
                blob.parent.mkdir(parents=True, exist_ok=True)
                self._download(snapshot, file, blob, (had, total))
            link = folder / file.path
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                link.unlink(missing_ok=True)
                link.symlink_to(os.path.relpath(blob, link.parent))
            had += file.size
        return folder

    def _complete(self, snapshot: Snapshot, file: RemoteFile) -> RemoteFile:
        """Ask for size and checksum of the file, at a mirror whose list of files has none."""
        url = self._address(snapshot, file)
        with self._explained():
            # The hub's own answer has the checksum; the storage that it redirects to does not name it.
            answer = self._client.head(url, headers={"Accept-Encoding": "identity"}, follow_redirects=False)
        self._check(answer, snapshot.repository)
        try:
            return file.completed(answer.headers)
        except (ValueError, KeyError):
            raise CannotFetch(f"{self.endpoint} names no checksum of {file.path}") from None

    def _address(self, snapshot: Snapshot, file: RemoteFile) -> str:
        return f"{self.endpoint}/{snapshot.repository}/resolve/{snapshot.revision}/{file.path}"

    def _download(self, snapshot: Snapshot, file: RemoteFile, blob: Path, progress: tuple[int, int]) -> None:
        url = self._address(snapshot, file)
        partial = blob.with_name(blob.name + _PARTIAL)
        with open(partial, "ab") as target:
            try:
                fcntl.flock(target, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CannotFetch("another process is fetching it") from None
            have = target.tell()
            headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
            if have < file.size or not have:
                with self._explained(), self._client.stream("GET", url, headers=headers) as answer:
                    self._check(answer, snapshot.repository)
                    if have and answer.status_code != 206:
                        target.truncate(have := 0)
                    for data in answer.iter_raw():
                        signal.alarm(self._stall)
                        target.write(data)
                        have += len(data)
                        if have > file.size:
                            break
                        self._tell(snapshot.repository, progress[0] + have, progress[1])
            target.flush()
            os.fsync(target.fileno())
            if have < file.size:
                raise CannotFetch(f"{self.endpoint} ended {file.path} after {have} of {file.size} bytes")
            if not file.is_content(partial, lambda: signal.alarm(self._stall)):
                partial.unlink()
                raise CannotFetch(f"{self.endpoint} sent a {file.path} whose checksum is not the one that it names")
            partial.rename(blob)

    def _tell(self, repository: str, had: int, total: int) -> None:
        now = time.monotonic()
        if had < total and now - self._told < PROGRESS_INTERVAL:
            return
        self._told = now
        say(f"fetching {repository} from {self.endpoint}: {had / 2**20:.1f} of {total / 2**20:.1f} MiB")

    def _check(self, answer: Any, repository: str) -> None:
        status = answer.status_code
        if status in (401, 403, 404):
            raise NotGiven(
                f"{self.endpoint} does not give us {repository} (HTTP {status}): it is not there, or needs a token "
                "(HF_TOKEN)"
            )
        if status >= 400:
            raise CannotFetch(f"{self.endpoint} answers with HTTP {status}")

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except self._httpx.ProxyError as error:
            raise CannotFetch(f"the proxy in front of {self.endpoint} refuses: {_in_words(error)}") from None
        except (self._httpx.HTTPError, self._httpx.InvalidURL) as error:
            raise CannotFetch(f"{self.endpoint} was not reached: {_in_words(error)}") from None


def _publish(storage: Path, revision: str) -> None:
    """Make this revision `main`."""
    reference = storage / "refs" / "main"
    reference.parent.mkdir(parents=True, exist_ok=True)
    unfinished = reference.with_name(f"main.{os.getpid()}")
    unfinished.write_text(revision)
    unfinished.replace(reference)
    # The library keeps a list of all files of a revision. It would miss those that a model does not need.
    (storage / "trees" / f"{revision}.json").unlink(missing_ok=True)


def _in_words(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause:
        if isinstance(cause, socket.gaierror):
            return "its name does not resolve"
        if isinstance(cause, ConnectionRefusedError):
            return "the connection is refused"
        cause = cause.__cause__ or cause.__context__
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
