"""Measures the migration of vectors: ``python bench/migrate/vectors.py URL [CHUNKS]``, with the Python of the tests.

URL: of an empty PostgreSQL with pgvector. Needs src/setup/migrate and test/migrate/kit in PYTHONPATH. Between the
passes, one chunk in five hundred is changed, and one is deleted. The CPU time is the migration's own, without
PostgreSQL's.
"""

import multiprocessing
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from chroma_folder import Filler, open_client
from measured import timed

NAME = "file-measured"


def fill(place: str, chunks: int) -> None:
    Filler(open_client(place)).add(NAME, chunks)


def change(place: str, chunks: int) -> None:
    Filler(client := open_client(place)).add(NAME, chunks // 500, first=1)
    client.get_collection(NAME).delete(ids=[f"{NAME}-0"])


def run_apart(what: Callable[[str, int], None], place: str, chunks: int) -> None:
    """The kernel counts the largest memory of a process as that of those that it starts, too."""
    process = multiprocessing.get_context("spawn").Process(target=what, args=(place, chunks))
    process.start()
    process.join()
    if process.exitcode != 0:
        raise SystemExit(f"{what.__name__} ended with {process.exitcode}")


def main(url: str, chunks: int) -> None:
    with tempfile.TemporaryDirectory(prefix="webui-tune-bench-") as folder:
        place = f"{folder}/vector_db"
        request: dict[str, Any] = {"env": {}, "folder": place, "target": url, "work": f"{folder}/work"}
        run_apart(fill, place, chunks)
        print(f"{chunks} chunks", flush=True)
        timed("vectors-look", **request)
        timed("vectors-copy", **request, report=f"{folder}/report.jsonl", **{"pass": 1})
        print("checked while the old server runs:")
        timed("vectors-verify", **request)
        run_apart(change, place, chunks)
        print("with the server stopped:")
        timed("vectors-copy", **request, report=f"{folder}/report.jsonl", **{"pass": 2})
        verified = timed("vectors-verify", **request)
        if not verified.result["equal"]:
            raise SystemExit(f"differs: {verified.result}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100_000)
