"""Answers the files of a pack ahead of the app, with the headers that the app itself would have sent."""

from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from email.utils import parsedate
from functools import lru_cache
from pathlib import PurePosixPath
from time import monotonic

from ..asgi import App, Message, Receive, Scope, Send
from ..ask import Answer, Headers, ask
from ..log import complain
from .pack import BROTLI, GZIP, IDENTITY, PREFIX, ZSTD, Pack, StaticFile

#: For a year, and without asking again (RFC 8246). No longer time is known to be honoured by caches (RFC 9111).
CACHE_CONTROL = b"public, max-age=31536000, immutable"

#: Codings, the smallest bodies first (pack.py has the sizes).
_COMPRESSED = (BROTLI, ZSTD, GZIP)

#: Most origins whose answers are remembered. The app answers all others.
_MOST_ORIGINS = 32

#: Headers of the app's answer that differ by file, or in each answer.
_OF_THE_FILE = frozenset({b"content-length", b"etag", b"last-modified", b"vary", b"x-process-time"})

#: Statuses of the app's answers to a file that is there.
_FOUND = (200, 206, 304)


@dataclass(frozen=True)
class _Kind:
    """A kind of request. The app answers all of it with the same headers, except those of the file."""

    suffix: str
    origin: bytes | None
    status: int


@dataclass(frozen=True)
class _Template:
    """The app's answer to one kind of request."""

    fixed: Headers
    #: Of _OF_THE_FILE, those that this kind of answer has.
    names: frozenset[bytes]
    vary: bytes


@dataclass
class _Request:
    """The headers of a request that matter here."""

    accept_encoding: str = ""
    if_none_match: str = ""
    if_modified_since: str = ""
    has_range: bool = False
    origin: bytes | None = None


class StaticFiles:
    """ASGI middleware. It answers only where it is certain to answer as the app would; else the app answers.

    ``compresses``: whether clients may get compressed bodies.
    """

    def __init__(self, app: App, pack: Pack, *, compresses: bool) -> None:
        self._app = app
        self._pack = pack
        self._compresses = compresses
        #: None: the app's answers differ from each other or from the pack, or the app is being asked.
        self._templates: dict[_Kind, _Template | None] = {}
        self._origins: set[bytes | None] = {None}

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        # Not async: every other request would cost a coroutine.
        if scope["type"] == "http" and scope["path"].startswith(PREFIX) and _is_plain(scope):
            file = self._pack.find(scope["path"])
            if file:
                return self._answer(file, scope, receive, send)
        return self._app(scope, receive, send)

    async def _answer(self, file: StaticFile, scope: Scope, receive: Receive, send: Send) -> None:
        started = monotonic()
        request = _read(scope["headers"])
        template = None
        if file.is_packed and not request.has_range and self._knows(request.origin):
            status = 304 if _is_not_modified(file, request) else 200
            suffix = PurePosixPath(scope["path"]).suffix
            template = await self._template(_Kind(suffix, request.origin, status), file, scope["path"])
        if not template:
            await self._pass_on(request, scope, receive, send)
            return
        coding = self._choose(file, request.accept_encoding)
        headers = [*template.fixed, *self._own_headers(template, file, coding, started)]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        has_body = status == 200 and scope["method"] == "GET"
        await send({"type": "http.response.body", "body": self._pack.body(file, coding) if has_body else b""})

    # --- headers --------------------------------------------------------------------------------

    def _own_headers(self, template: _Template, file: StaticFile, coding: str, started: float) -> Headers:
        names = template.names
        headers: Headers = []
        if b"content-length" in names:
            headers.append((b"content-length", str(file.bodies[coding][1]).encode()))
            if coding != IDENTITY:
                headers.append((b"content-encoding", coding.encode()))
        # Weak where the bytes are not those of the app's own tag: a range of one must not complete the other (RFC
        # 9110, 8.8.3.3).
        etag = file.etag if coding == IDENTITY else f"W/{file.etag}"
        headers.append((b"etag", etag.encode()))
        if b"last-modified" in names:
            headers.append((b"last-modified", file.last_modified.encode()))
        vary = template.vary
        if self._compresses and len(file.bodies) > 1:
            vary = _with_accept_encoding(vary)
        if vary:
            headers.append((b"vary", vary))
        if b"x-process-time" in names:
            headers.append((b"x-process-time", f"{monotonic() - started:.6f}".encode()))
        return headers

    def _choose(self, file: StaticFile, accept_encoding: str) -> str:
        """The coding that the client prefers; of several, the smallest (RFC 9110, 12.5.3)."""
        if not accept_encoding or not self._compresses or len(file.bodies) == 1:
            return IDENTITY
        wishes = _qualities(accept_encoding)
        best, most = IDENTITY, wishes.get(IDENTITY, 0.0)
        for coding in reversed(_COMPRESSED):
            quality = wishes.get(coding, wishes.get("*", 0.0))
            if coding in file.bodies and quality > 0 and quality >= most:
                best, most = coding, quality
        return best

    def _knows(self, origin: bytes | None) -> bool:
        if len(self._origins) < _MOST_ORIGINS:
            self._origins.add(origin)
        return origin in self._origins

    async def _template(self, kind: _Kind, file: StaticFile, path: str) -> _Template | None:
        try:
            return self._templates[kind]
        except KeyError:
            self._templates[kind] = None  # the app answers requests that come meanwhile
        self._templates[kind] = template = await self._learn(kind, file, path)
        return template

    async def _learn(self, kind: _Kind, file: StaticFile, path: str) -> _Template | None:
        headers: Headers = [(b"origin", kind.origin)] if kind.origin is not None else []
        if kind.status == 304:
            headers.append((b"if-none-match", file.etag.encode()))
        try:
            # Twice: if a header differs, only the app can answer.
            first, second = [await ask(self._app, path, headers=headers) for _ in range(2)]
        except Exception as error:
            complain(f"the app answers {path} itself: it failed when it was asked for that file: {error!r}")
            return None
        if reason := _difference(first, second, kind, file):
            complain(f"the app answers {PREFIX}*{kind.suffix} itself: {reason}")
            return None
        fixed = [(name, value) for name, value in first.headers if name.lower() not in _OF_THE_FILE]
        if not any(name.lower() == b"cache-control" for name, _ in fixed):
            fixed.append((b"cache-control", CACHE_CONTROL))  # else the app's, or the user's setting
        return _Template(fixed, frozenset(name.lower() for name, _ in first.headers), _vary(first.headers))

    # --- the app's own answer -------------------------------------------------------------------

    async def _pass_on(self, request: _Request, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the app answer, and add that the answer may be kept."""

        async def send_cacheable(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in _FOUND:
                headers = [(name.lower(), value) for name, value in message.get("headers", ())]
                message["headers"] = _cacheable(headers)
            await send(message)

        if request.has_range:
            # A range of a compressed body would be of no use.
            scope["headers"] = [header for header in scope["headers"] if header[0] != b"accept-encoding"]
        await self._app(scope, receive, send_cacheable)


def _is_plain(scope: Scope) -> bool:
    """Whether the app would look at the path alone, too: it redirects some queries."""
    return scope["method"] in ("GET", "HEAD") and not scope["query_string"] and not scope.get("root_path")


def _read(headers: Iterable[tuple[bytes, bytes]]) -> _Request:
    request = _Request()
    for name, value in headers:
        if name == b"accept-encoding":
            request.accept_encoding += f",{value.decode('latin-1')}"
        elif name == b"if-none-match":
            request.if_none_match = request.if_none_match or value.decode("latin-1")
        elif name == b"if-modified-since":
            request.if_modified_since = request.if_modified_since or value.decode("latin-1")
        elif name == b"range":
            request.has_range = True
        elif name == b"origin" and request.origin is None:
            request.origin = value
    return request


def _is_not_modified(file: StaticFile, request: _Request) -> bool:
    """As starlette.staticfiles.StaticFiles.is_not_modified (1.10)."""
    if request.if_none_match:
        tags = [tag.strip().removeprefix("W/") for tag in request.if_none_match.split(",")]
        return tags == ["*"] or file.etag in tags
    if not request.if_modified_since:
        return False
    since, modified = parsedate(request.if_modified_since), parsedate(file.last_modified)
    return since is not None and modified is not None and since >= modified


@lru_cache(maxsize=64)
def _qualities(accept_encoding: str) -> dict[str, float]:
    """Quality of each coding, from 0 to 1. A quality that cannot be read is 0, as in starlette_compress."""
    found = {}
    for item in accept_encoding.split(","):
        coding, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
        if coding:
            found[coding] = quality
    return found


def _difference(first: Answer, second: Answer, kind: _Kind, file: StaticFile) -> str:
    """Why the app's answers cannot be the template of ours; empty where they can."""
    if first.status != kind.status:
        return f"its answer is {first.status}, not {kind.status}"
    if _stable(first.headers) != _stable(second.headers):
        return "two of its answers have other headers"
    own = {name.lower(): value.decode("latin-1") for name, value in first.headers}
    if own.get(b"etag") != file.etag:
        return f"it has another ETag than the pack, {own.get(b'etag')}"
    if kind.status == 200:
        if own.get(b"last-modified") != file.last_modified:
            return "it has another Last-Modified than the pack"
        if own.get(b"content-length") != str(file.bodies[IDENTITY][1]):
            return "the file has another length than in the pack"
    if b"content-encoding" in own or b"set-cookie" in own:
        return "it compresses without being asked, or sets a cookie"
    return ""


def _stable(headers: Headers) -> Headers:
    return [header for header in headers if header[0].lower() != b"x-process-time"]


def _vary(headers: Headers) -> bytes:
    return b", ".join(value for name, value in headers if name.lower() == b"vary")


def _with_accept_encoding(vary: bytes) -> bytes:
    names = [name.strip() for name in vary.split(b",")]
    if b"*" in names or b"accept-encoding" in (name.lower() for name in names):
        return vary
    return b", ".join(name for name in (b"Accept-Encoding", *names) if name)


def _cacheable(headers: Headers) -> Headers:
    """The headers of an answer of the app, in lower case, with those that let a cache keep it."""
    given = dict(headers)
    if b"cache-control" not in given:
        headers = [*headers, (b"cache-control", CACHE_CONTROL)]
    if b"content-encoding" in given:
        # See StaticFiles._own_headers: the app gives compressed bytes the tag of the file's own.
        headers = [(name, b"W/" + value.removeprefix(b"W/") if name == b"etag" else value) for name, value in headers]
    return headers
