"""How Open WebUI embeds a collection again that was not carried (0.12.4)."""

import re
from collections.abc import Iterable

from .messages import Reindex

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
FILE = "file-"


def reindex(collections: Iterable[str]) -> tuple[list[Reindex], list[str]]:
    """The requests, each once, and the collections that Open WebUI cannot make again."""
    requests: list[Reindex] = []
    lost: list[str] = []
    for name in sorted(collections):
        request = _request(name)
        if request is None:
            lost.append(name)
        elif request not in requests:
            requests.append(request)
    return requests, lost


def _request(collection: str) -> Reindex | None:
    if collection.startswith(FILE):
        body = {"file_id": collection.removeprefix(FILE)}
        return {"method": "POST", "path": "/api/v1/retrieval/process/file", "body": body}
    if collection.startswith("user-memory-"):
        return {"method": "POST", "path": "/api/v1/memories/reindex", "body": {}}
    if collection == "knowledge-bases":
        return {"method": "POST", "path": "/api/v1/knowledge/metadata/reindex", "body": {}}
    if UUID.fullmatch(collection):
        return {"method": "POST", "path": "/api/v1/knowledge/reindex", "body": {}}
    return None  # a web search, a page, a pasted text: the text is nowhere else
