"""Asks Open WebUI's own clients for Chroma and for pgvector the same, and prints both answers as JSON."""

import json
import sys
from typing import Any

from open_webui.retrieval.vector.dbs.chroma import ChromaClient
from open_webui.retrieval.vector.dbs.pgvector import PgvectorClient


def ask(client: Any, question: dict[str, Any]) -> Any:
    if "filter" in question:
        found = client.query(question["collection"], question["filter"])
        rows = zip(found.ids[0], found.documents[0], found.metadatas[0], strict=True)
        return sorted(([*row] for row in rows), key=lambda row: row[0])
    found = client.search(question["collection"], [list(question["vector"])], limit=5)
    distances = [round(distance, 4) for distance in found.distances[0]]
    return [[*row] for row in zip(found.ids[0], found.documents[0], found.metadatas[0], distances, strict=True)]


def main() -> None:
    questions = json.load(sys.stdin)
    clients = {"chroma": ChromaClient(), "pgvector": PgvectorClient()}
    answers = {name: [ask(client, question) for question in questions] for name, client in clients.items()}
    print(f"\nanswers: {json.dumps(answers)}")


main()
