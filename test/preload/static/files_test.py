import asyncio
import gzip
import importlib
import os
import re
import tempfile
import time
import unittest
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any
from unittest import mock

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles as StarletteFiles
from starlette_compress import CompressMiddleware
from webui_preload.asgi import App, Message, Receive, Scope, Send
from webui_preload.ask import Answer, ask
from webui_preload.static import files as static_files
from webui_preload.static.files import CACHE_CONTROL, StaticFiles
from webui_preload.static.pack import PREFIX, Pack, make_pack

SCRIPT = PREFIX + "entry/start.h4sh.js"
FONT = PREFIX + "assets/font.h4sh.woff2"
SMALL = PREFIX + "assets/small.h4sh.css"
SOURCE_MAP = PREFIX + "entry/start.h4sh.js.map"
FILES = {
    SCRIPT: b"export const answer = 42;\n" * 400,
    FONT: os.urandom(3000),
    SMALL: b"a{}",
    SOURCE_MAP: b'{"version":3}' * 100,
    "/index.html": b"<html></html>",
    "/_app/version.json": b"{}",
}


class Page(StarletteFiles):
    """As Open WebUI's SPAStaticFiles (main.py, 0.12.4)."""

    async def get_response(self, path: str, scope: Any) -> Response:
        try:
            return await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code != 404 or path.endswith(".js"):
                raise
            return await super().get_response("index.html", scope)


class Stamp:
    """As Open WebUI's AppHTTPMiddleware: the time that it took, and a user's security headers."""

    def __init__(self, app: App, headers: dict[str, str]) -> None:
        self.app = app
        self.headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.monotonic()

        async def send_stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Process-Time"] = f"{time.monotonic() - started:.6f}"
                for name, value in self.headers.items():
                    headers[name] = value
            await send(message)

        if scope["query_string"] == b"shared=x":
            await Response(status_code=307, headers={"location": "/?q=x"})(scope, receive, send)
        else:
            await self.app(scope, receive, send_stamped)


class Case(unittest.IsolatedAsyncioTestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.frontend = Path(folder.name) / "frontend"
        for name, content in FILES.items():
            path = self.frontend / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.cache = Path(folder.name) / "cache"
        self.serve()

    def serve(self, *, compresses: bool = True, origins: tuple[str, ...] = ("*",), **headers: str) -> None:
        """The app itself, and the app behind the static files."""
        security = {name.replace("_", "-"): value for name, value in headers.items()}
        middleware = [
            Middleware(CORSMiddleware, allow_origins=origins, allow_credentials=True),
            Middleware(Stamp, headers={"X-Frame-Options": "DENY", **security}),
            *([Middleware(CompressMiddleware)] if compresses else []),
        ]
        app = Starlette(routes=[Mount("/", Page(directory=self.frontend, html=True))], middleware=middleware)
        self.requests: list[str] = []

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            self.requests.append(scope["path"])
            await app(scope, receive, send)

        self.app: App = counted
        self.files = StaticFiles(self.app, Pack(make_pack(self.frontend, self.cache)), compresses=compresses)

    async def both(self, path: str, method: str = "GET", **headers: str) -> tuple[Answer, Answer]:
        """Our answer and the app's, to the same request."""
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        return (
            await ask(self.files, path, method=method, headers=raw),
            await ask(self.app, path, method=method, headers=raw),
        )

    async def assert_ours(self, path: str, **headers: str) -> None:
        """That the app is not asked, once it is known how it answers."""
        await self.both(path, **headers)
        self.requests.clear()
        await self.both(path, **headers)
        self.assertEqual(self.requests, [path], "only the app itself was asked")


def named(answer: Answer) -> dict[str, str]:
    return {name.decode().lower(): value.decode() for name, value in answer.headers}


def decoded(answer: Answer) -> bytes:
    coding = named(answer).get("content-encoding", "identity")
    decoders: dict[str, Callable[[bytes], bytes]] = {
        "identity": bytes,
        "gzip": gzip.decompress,
        "br": importlib.import_module("brotli").decompress,
        "zstd": lambda body: importlib.import_module("zstandard").ZstdDecompressor().decompressobj().decompress(body),
    }
    return decoders[coding](bytes(answer.body))


#: What differs on purpose, or from one answer to the next.
INTENDED = ("cache-control", "content-length", "content-encoding", "etag", "vary", "x-process-time")


class SameAnswerTest(Case):
    async def test_every_file_in_every_coding_is_the_apps_but_for_what_lets_it_be_kept(self) -> None:
        for path in (SCRIPT, FONT, SMALL, SOURCE_MAP):
            for accepted in ("", "gzip", "br", "zstd", "gzip, deflate, br, zstd", "deflate", "*", "br;q=0, gzip"):
                with self.subTest(path=path, accepted=accepted):
                    await self.both(path, accept_encoding=accepted)
                    ours, theirs = await self.both(path, accept_encoding=accepted)
                    self.assertEqual((ours.status, decoded(ours)), (theirs.status, FILES[path]))
                    own, other = named(ours), named(theirs)
                    for name in INTENDED:
                        own.pop(name, None)
                        other.pop(name, None)
                    self.assertEqual(own, other)
                    own, other = named(ours), named(theirs)
                    self.assertEqual(own["cache-control"], CACHE_CONTROL.decode())
                    self.assertEqual(own["etag"].removeprefix("W/"), other["etag"])
                    self.assertEqual(own["etag"].startswith("W/"), "content-encoding" in own)
                    self.assertRegex(own["x-process-time"], r"^\d\.\d{6}$")
                    self.assertGreaterEqual(_names(own["vary"]), _names(other["vary"]))
                    if "content-length" in own:
                        self.assertEqual(int(own["content-length"]), len(ours.body))

    async def test_the_app_is_asked_for_none_of_them(self) -> None:
        for path in (SCRIPT, FONT, SMALL):
            await self.assert_ours(path, accept_encoding="br")
            await self.assert_ours(path, if_none_match="*")
            await self.assert_ours(path, origin="https://chat.example.org")

    async def test_the_coding_that_the_client_likes_best_is_chosen(self) -> None:
        for accepted, coding in {
            "gzip, br, zstd": "br",
            "zstd, gzip": "zstd",
            "gzip;q=1.0, br;q=0.5": "gzip",
            "br;q=x, gzip": "gzip",
            "*": "br",
            "*;q=0.5, br;q=0": "zstd",
            "GZIP": "gzip",
            "identity, br;q=0.1": None,
            "compress": None,
        }.items():
            with self.subTest(accepted=accepted):
                await self.both(SCRIPT)
                ours, _ = await self.both(SCRIPT, accept_encoding=accepted)
                self.assertEqual(named(ours).get("content-encoding"), coding)
                self.assertIn("Accept-Encoding", named(ours)["vary"])

    async def test_nothing_is_compressed_for_a_user_who_wants_none(self) -> None:
        self.serve(compresses=False)
        await self.both(SCRIPT)
        ours, _ = await self.both(SCRIPT, accept_encoding="br")
        self.assertEqual((ours.body, named(ours).get("content-encoding")), (FILES[SCRIPT], None))
        self.assertNotIn("Accept-Encoding", named(ours)["vary"])

    async def test_a_users_headers_are_kept(self) -> None:
        self.serve(cache_control="no-store", referrer_policy="no-referrer")
        await self.both(SCRIPT)
        ours, _ = await self.both(SCRIPT)
        self.assertEqual(named(ours)["cache-control"], "no-store")
        self.assertEqual(named(ours)["referrer-policy"], "no-referrer")

    async def test_origins_get_the_apps_own_words(self) -> None:
        self.serve(origins=("https://a.example",))
        for origin in ("https://a.example", "https://b.example"):
            await self.assert_ours(SCRIPT, origin=origin)
            ours, theirs = await self.both(SCRIPT, origin=origin)
            for name in ("access-control-allow-origin", "access-control-allow-credentials"):
                self.assertEqual(named(ours).get(name), named(theirs).get(name))
            self.assertEqual(named(ours)["vary"], "Accept-Encoding, Origin")

    async def test_origins_without_end_are_the_apps(self) -> None:
        for number in range(40):
            await self.both(SCRIPT, origin=f"https://{number}.example")
        self.requests.clear()
        _, theirs = await self.both(SCRIPT, origin="https://99.example")
        self.assertEqual(self.requests, [SCRIPT, SCRIPT])
        self.assertEqual(named(theirs)["access-control-allow-origin"], "https://99.example")


def _names(vary: str) -> set[str]:
    return {name.strip() for name in vary.split(",")}


class ConditionalTest(Case):
    async def test_a_browser_that_has_it_hears_304(self) -> None:
        known = named(await ask(self.app, SCRIPT))
        etag, modified = known["etag"], known["last-modified"]
        for headers in (
            {"if_none_match": etag},
            {"if_none_match": f"W/{etag}"},
            {"if_none_match": f'"x", {etag}'},
            {"if_none_match": "*"},
            {"if_none_match": '"x"'},
            {"if_none_match": '"x"', "if_modified_since": modified},
            {"if_modified_since": modified},
            {"if_modified_since": "Thu, 01 Jan 1970 00:00:00 GMT"},
            {"if_modified_since": "yesterday"},
        ):
            with self.subTest(**headers):
                await self.both(SCRIPT, **headers)
                ours, theirs = await self.both(SCRIPT, **headers)
                self.assertEqual((ours.status, ours.body), (theirs.status, theirs.body))
                self.assertEqual(named(ours).keys() - {"cache-control"}, named(theirs).keys() - {"cache-control"})
                self.assertEqual(named(ours)["etag"], etag)

    async def test_the_tag_of_compressed_bytes_is_weak_and_known_again(self) -> None:
        await self.both(SCRIPT)
        ours, _ = await self.both(SCRIPT, accept_encoding="br")
        again, theirs = await self.both(SCRIPT, accept_encoding="br", if_none_match=named(ours)["etag"])
        self.assertEqual((again.status, theirs.status), (304, 304))

    async def test_head_says_what_get_says(self) -> None:
        for accepted in ("", "br"):
            await self.both(SCRIPT)
            got, _ = await self.both(SCRIPT, accept_encoding=accepted)
            head, _ = await self.both(SCRIPT, "HEAD", accept_encoding=accepted)
            self.assertEqual((head.status, head.body), (200, b""))
            own, other = named(head), named(got)
            own.pop("x-process-time")
            other.pop("x-process-time")
            self.assertEqual(own, other)

    async def test_ranges_are_those_of_the_file(self) -> None:
        known = named(await ask(self.app, SCRIPT))
        etag, modified = known["etag"], known["last-modified"]
        for value in ("bytes=0-9", "bytes=-5", "bytes=10-", "bytes=0-1,5-6", "bytes=999999-", "bytes=5-1", "lines=1"):
            for condition in (None, etag, modified, f"W/{etag}", '"x"'):
                with self.subTest(range=value, condition=condition):
                    extra = {} if condition is None else {"if_range": condition}
                    ours, _ = await self.both(SCRIPT, range=value, accept_encoding="br, gzip", **extra)
                    # The app would compress the part, which then is a part of nothing.
                    _, theirs = await self.both(SCRIPT, range=value, **extra)
                    self.assertEqual(ours.status, theirs.status)
                    self.assertEqual(_without_boundary(ours), _without_boundary(theirs))
                    self.assertEqual(named(ours).get("content-range"), named(theirs).get("content-range"))
                    self.assertEqual(ours.status in (200, 206), "cache-control" in named(ours))
                    self.assertNotIn("content-encoding", named(ours))


def _without_boundary(answer: Answer) -> bytes:
    return re.sub(rb"--[0-9a-f]{26}", b"--", answer.body)


class LeftToTheAppTest(Case):
    async def test_what_is_not_there_is_the_apps_answer(self) -> None:
        for path in (
            PREFIX + "entry/missing.js",
            PREFIX + "entry/missing.css",
            PREFIX,
            PREFIX + "entry",
            PREFIX + "entry/",
            PREFIX + "../version.json",
            PREFIX + "entry/../entry/start.h4sh.js",
            "/_app//immutable/entry/start.h4sh.js",
            PREFIX + "/entry/start.h4sh.js",
            PREFIX + "entry/start.h4sh.js\0",
            PREFIX + "entry/start.h4sh.js/",
            PREFIX + "../../../../etc/passwd",
            PREFIX + "%2e%2e/version.json",
            PREFIX + "x" * 5000,
            "/_app/version.json",
            "/_app/immutable",
        ):
            with self.subTest(path=path[:60]):
                ours, theirs = await self.both(path)
                self.assertEqual((ours.status, ours.body), (theirs.status, theirs.body))
                self.assertEqual(named(ours).keys(), named(theirs).keys())
                self.assertNotIn("cache-control", named(ours))

    async def test_other_methods_are_the_apps(self) -> None:
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
            ours, theirs = await self.both(SCRIPT, method)
            self.assertEqual((ours.status, ours.body), (theirs.status, theirs.body))
        self.assertEqual((await ask(self.files, SCRIPT, method="POST")).status, 405)

    async def test_a_query_is_the_apps(self) -> None:
        async def with_query(app: App, query: bytes) -> Answer:
            async def asked(scope: Scope, receive: Receive, send: Send) -> None:
                await app({**scope, "query_string": query}, receive, send)

            return await ask(asked, SCRIPT)

        self.assertEqual((await with_query(self.files, b"shared=x")).status, 307)
        self.assertNotIn("cache-control", named(await with_query(self.files, b"v=1")))

    async def test_sockets_are_the_apps(self) -> None:
        seen: list[str] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(scope["type"])

        files = StaticFiles(app, Pack(make_pack(self.frontend, self.cache)), compresses=True)

        async def nothing(*_: Any) -> Any:
            return {}

        await files({"type": "websocket", "path": SCRIPT}, nothing, nothing)
        await files({"type": "lifespan"}, nothing, nothing)
        self.assertEqual(seen, ["websocket", "lifespan"])

    async def test_an_app_with_other_files_answers_itself(self) -> None:
        path = self.frontend / SCRIPT.lstrip("/")
        path.write_bytes(b"changed")
        with self.complaint() as said:
            ours, theirs = await self.both(SCRIPT)
        self.assertIn("another ETag", said.getvalue())
        self.assertEqual((ours.body, theirs.body), (b"changed", b"changed"))

    async def test_an_app_whose_headers_change_each_time_answers_itself(self) -> None:
        count = 0
        inner = self.app

        async def counting(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_counted(message: Message) -> None:
                nonlocal count
                if message["type"] == "http.response.start":
                    count += 1
                    message["headers"] = [*message["headers"], (b"x-count", str(count).encode())]
                await send(message)

            await inner(scope, receive, send_counted)

        self.files = StaticFiles(counting, Pack(make_pack(self.frontend, self.cache)), compresses=True)
        with self.complaint() as said:
            answers = [await ask(self.files, SCRIPT) for _ in range(3)]
        self.assertEqual([named(answer)["x-count"] for answer in answers], ["3", "4", "5"])
        self.assertIn("other headers", said.getvalue())

    async def test_requests_that_come_while_the_app_is_asked_are_its_own(self) -> None:
        answers: list[Answer] = await asyncio.gather(*(ask(self.files, SCRIPT) for _ in range(10)))
        self.assertEqual({(answer.status, bytes(answer.body)) for answer in answers}, {(200, FILES[SCRIPT])})

    def complaint(self) -> "_Said":
        return _Said()


class _Said:
    """What was complained about meanwhile."""

    def __enter__(self) -> StringIO:
        self._text = StringIO()
        self._patch = mock.patch.object(static_files, "complain", lambda text: self._text.write(text))
        self._patch.start()
        return self._text

    def __exit__(self, *_: object) -> None:
        self._patch.stop()
