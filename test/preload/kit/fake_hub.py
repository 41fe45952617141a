"""A hub of one model, which speaks as much of Hugging Face's API as is asked of it; a program, too:

python fake_hub.py PORT FOLDER REPOSITORY [REVISION]

It prints its address. To each line of JSON on stdin, which may set ``ills``, it answers with a line of JSON: the
requests that came since the last one.
"""

import hashlib
import json
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from urllib.parse import unquote

REVISION = "0123456789abcdef0123456789abcdef01234567"

#: Files of at least this many bytes are kept as large ones, with a SHA-256.
#: At Hugging Face, a tokenizer of 466 kB is none.
LARGE = 500_000


class FakeHub(ThreadingHTTPServer):
    """``ills`` may be changed at any time: see `_Handler`."""

    daemon_threads = True

    def __init__(self, folder: Path, repository: str, port: int = 0, revision: str = REVISION) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.repository = repository
        self.contents = {
            path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
        }
        self.revision = revision
        self.ills: set[str] = set()
        #: Paths asked for, with the Range where there was one.
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> "FakeHub":
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that left early is what some tests are about."""

    def siblings(self) -> list[dict[str, object]]:
        entries = []
        for path, content in self.contents.items():
            entry: dict[str, object] = {"rfilename": path}
            entries.append(entry)
            if "bare" in self.ills:
                continue
            entry["size"] = len(content)
            entry["blobId"] = _git_name(content)
            if len(content) >= LARGE:
                entry["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        return entries


def _git_name(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    server: FakeHub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        given = self.headers.get("Range", "")
        self.server.requests.append(f"{self.path} {given}".strip())
        ills = self.server.ills
        if "html" in ills:
            self._answer(200, b"<html>Sign in to this network</html>", "text/html")
        elif "404" in ills or "500" in ills:
            self._answer(404 if "404" in ills else 500, b"{}")
        elif "silent" in ills:
            time.sleep(60)
        elif self.path == f"/api/models/{self.server.repository}/revision/main?blobs=true":
            revision = {"sha": self.server.revision, "siblings": self.server.siblings()}
            self._answer(200, json.dumps(revision).encode())
        elif (content := self._asked()) is not None:
            self._file(content, given)
        else:
            self._answer(404, b"{}")

    def do_HEAD(self) -> None:
        ills = self.server.ills
        content = self._asked()
        if "silent" in ills:
            time.sleep(60)
        if content is None:
            self._answer(404, b"")
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Repo-Commit", self.server.revision)
        if "untagged" not in ills:
            is_large = len(content) >= LARGE
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest() if is_large else _git_name(content)}"')
        self.end_headers()

    def _asked(self) -> bytes | None:
        """The file that is asked for."""
        found = re.fullmatch(f"/{self.server.repository}/resolve/{self.server.revision}/(.+)", self.path)
        return self.server.contents.get(unquote(found[1])) if found else None

    def _file(self, content: bytes, given: str) -> None:
        ills = self.server.ills
        start = int(given.removeprefix("bytes=").removesuffix("-")) if given else 0
        part = content[start:]
        if "corrupt" in ills and len(content) >= LARGE:
            part = bytes([part[0] ^ 1]) + part[1:]
        self.send_response(206 if given else 200)
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if len(content) < LARGE or not ills & {"stall", "cut"}:
            self.wfile.write(part)
            return
        self.wfile.write(part[: len(part) // 2])
        self.wfile.flush()
        if "stall" in ills:
            time.sleep(60)
        self.close_connection = True

    def _answer(self, status: int, content: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *values: object) -> None:
        pass


if __name__ == "__main__":
    with FakeHub(Path(sys.argv[2]), sys.argv[3], int(sys.argv[1]), *sys.argv[4:]) as hub:
        print(hub.url, flush=True)
        for line in sys.stdin:
            hub.ills = set(json.loads(line).get("ills", hub.ills))
            seen, hub.requests = hub.requests, []
            print(json.dumps(seen), flush=True)
