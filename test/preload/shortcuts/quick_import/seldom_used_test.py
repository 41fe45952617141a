"""With the installed Open WebUI: what is put off is not imported, and works when it is used."""

import asyncio
import importlib
import json
import os
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Mapping
from functools import partial
from typing import Any

from at_once import at_once
from child import in_child
from ports import free_port, wait_for
from webui_preload.configured import ALL, Configured
from webui_preload.sharing.levels import HEAVY_LIBRARIES
from webui_preload.shortcuts.quick_import.seldom_used import seldom_used_put_off

STORES = {
    "S3_ACCESS_KEY_ID": "id",
    "S3_SECRET_ACCESS_KEY": "of a test",
    "S3_REGION_NAME": "eu-central-1",
    "S3_BUCKET_NAME": "bucket",
    "AZURE_STORAGE_ENDPOINT": "http://127.0.0.1:9/account",
    "AZURE_STORAGE_KEY": "b2YgYSB0ZXN0",
    "AZURE_STORAGE_CONTAINER_NAME": "container",
}
NOTHING = Configured(mcp=False, hybrid_search=False)
BY_HAND = ("rich", "pygments")
LIBRARIES = ("boto3", "botocore.client", "azure.storage.blob", "google.cloud.storage", "mcp.client", "mcp_types")

#: A tool server, until its standard input ends.
SERVER = """
import os, sys, threading
from mcp.server.mcpserver import MCPServer

threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
server = MCPServer("of a test")

@server.tool()
def tide(harbour: str) -> str:
    return f"high in {harbour}"

server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
"""


class SeldomUsedTest(unittest.TestCase):
    def run_with(self, settings: Mapping[str, str], check: Any, *names: str) -> Any:
        """What ``check`` returns in a process that has imported these modules of the app."""

        def run() -> str:
            with tempfile.TemporaryDirectory() as folder:
                places = {name: f"{folder}/{name}" for name in ("DATA_DIR", "STATIC_DIR")}
                os.environ.update({**places, **settings, "FROM_INIT_PY": "true", "WEBUI_SECRET_KEY": "of a test"})
                os.environ["ENABLE_DB_MIGRATIONS"] = "false"
                os.mkdir(places["DATA_DIR"])
                # As at the lean level: torch and its like take half a minute.
                sys.modules.update(dict.fromkeys(HEAVY_LIBRARIES))  # type: ignore[arg-type]
                with seldom_used_put_off(os.environ, NOTHING):
                    modules = [importlib.import_module(f"open_webui.{name}") for name in names]
                return json.dumps(check(*modules))

        answer = in_child(run)
        try:
            return json.loads(answer)
        except ValueError:
            self.fail(answer)

    def test_files_need_no_client_of_an_object_store(self) -> None:
        self.assertEqual(self.run_with({}, loaded, "storage.provider"), [])

    def test_each_store_has_its_client_all_the_same(self) -> None:
        self.assertEqual(
            self.run_with(STORES, clients, "storage.provider"),
            ["S3", "BlobServiceClient", "DefaultCredentialsError", True],
        )

    def test_a_store_that_is_configured_is_imported_at_once(self) -> None:
        settings = {**STORES, "STORAGE_PROVIDER": "s3"}
        self.assertIn("boto3", self.run_with(settings, loaded, "storage.provider"))

    def test_the_client_for_mcp_is_imported_where_a_server_is_configured(self) -> None:
        def check() -> str:
            with seldom_used_put_off({}, ALL):
                importlib.import_module("mcp.shared.auth")
            return str(loaded())

        self.assertEqual(in_child(check), "['mcp.client', 'mcp_types']")

    def test_a_hybrid_search_works_all_the_same_from_two_threads_at_once(self) -> None:
        self.assertEqual(
            self.run_with({}, search_twice, "retrieval.utils"),
            {"before": False, "found": ["Tides fall."] * 2, "after": True},
        )

    def test_what_is_used_by_hand_works_all_the_same(self) -> None:
        self.assertEqual(
            self.run_with({}, by_hand, "config"),
            {"before": [], "error pages": [True] * 2, "commands": [True] * 2},
        )

    def test_workers_ask_an_mcp_server_all_the_same_from_two_threads_at_once(self) -> None:
        port = free_port()
        with subprocess.Popen([sys.executable, "-c", SERVER, str(port)], stdin=subprocess.PIPE) as server:
            try:
                wait_for(port)
                answers = self.run_with({}, partial(ask_twice, port), "utils.tools", "utils.oauth")
            finally:
                server.communicate()
        self.assertEqual(answers, [[], ["tide"], ["tide"], True])


def loaded(*_modules: object) -> list[str]:
    return [name for name in LIBRARIES if name in sys.modules]


def clients(provider: Any) -> list[Any]:
    s3 = type(provider.S3StorageProvider().s3_client).__name__
    azure = type(provider.AzureStorageProvider().blob_service_client).__name__
    os.environ.update(NO_GCE_CHECK="true", GOOGLE_APPLICATION_CREDENTIALS="")
    try:
        google = type(provider.GCSStorageProvider()).__name__
    except Exception as error:
        google = type(error).__name__
    real = sys.modules["botocore.exceptions"]
    return [s3, azure, google, provider.ClientError is vars(real)["ClientError"]]


def search_twice(utils: Any) -> dict[str, Any]:
    before = "langsmith" in sys.modules
    texts = ["Bread rises.", "Tides fall.", "Ships sail."]
    okapi = importlib.import_module("rank_bm25").BM25Okapi([text.split() for text in texts])
    documents = [utils.Document(page_content=text) for text in texts]

    def search() -> str:
        words = utils.BM25Retriever(docs=documents, vectorizer=okapi, k=1)
        both = utils.EnsembleRetriever(retrievers=[words, words], weights=[0.5, 0.5])
        [best] = asyncio.run(both.ainvoke("Tides fall."))
        return str(best.page_content)

    return {"before": before, "found": at_once(search), "after": "langsmith" in sys.modules}


def by_hand(_config: object) -> dict[str, Any]:
    before = [name for name in BY_HAND if name in sys.modules]
    templates, httpx = importlib.import_module("mako.exceptions"), importlib.import_module("httpx")

    def error_page() -> bool:
        page: bytes = templates.html_error_template().render(error=ValueError("of a test"))
        return b"of a test" in page and b".syntax-highlighted" in page

    return {"before": before, "error pages": at_once(error_page), "commands": at_once(lambda: help_of(httpx.main))}


def help_of(command: Any) -> bool:
    return "--http2" in command.get_help(importlib.import_module("click").Context(command))


def ask_twice(port: int, tools: Any, oauth: Any) -> list[Any]:
    """What is loaded before, the names of the server's tools, twice, and whether the app's own models work."""
    before = [name for name in loaded() if name.startswith("mcp")]

    async def ask() -> list[str]:
        client = tools.MCPClient()
        await client.connect(f"http://127.0.0.1:{port}/mcp")
        try:
            return [spec["name"] for spec in await client.list_tool_specs()]
        finally:
            await client.disconnect()

    found = at_once(lambda: asyncio.run(ask()))
    metadata = oauth.OAuthMetadata.model_validate(
        {
            "issuer": "http://127.0.0.1/",
            "authorization_endpoint": "http://127.0.0.1/a",
            "token_endpoint": "http://127.0.0.1/t",
            "response_types_supported": ["code"],
        }
    )
    return [before, *found, str(metadata.issuer) == "http://127.0.0.1/"]
