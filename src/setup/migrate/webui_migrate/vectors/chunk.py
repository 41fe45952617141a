"""A piece of a document with its embedding, and what PostgreSQL cannot hold of it."""

import hashlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..messages import Action, Finding

Vector = npt.NDArray[np.float32]

#: What Open WebUI itself removes before it writes to PostgreSQL (sanitize_text_for_db).
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass
class Chunk:
    id: str
    text: str | None
    #: Values are texts, numbers and booleans.
    metadata: dict[str, Any] | None
    vector: Vector


class Place(NamedTuple):
    """Where something cannot be carried as it is."""

    collection: str
    chunk_id: str
    column: str

    def finding(self, problem: str, message: str, action: Action, original: object) -> Finding:
        return {
            "table": self.collection,
            "key": self.chunk_id,
            "column": self.column,
            "problem": problem,
            "message": message,
            "action": action,
            "original": original,
        }


def mend(chunk: Chunk, collection: str) -> tuple[Chunk | None, list[Finding]]:
    """The chunk as PostgreSQL can hold it, or None, and a finding for each difference."""
    if not np.isfinite(chunk.vector).all():
        why = "the embedding has a number that is not finite, which pgvector refuses"
        return None, [Place(collection, chunk.id, "vector").finding("number", why, "aside", _kept(chunk))]
    findings: list[Finding] = []
    text = chunk.text
    if text is not None and UNSTORABLE.search(text):
        why = "NUL characters or lone surrogates were removed from the text, as Open WebUI does"
        findings.append(Place(collection, chunk.id, "text").finding("nul", why, "changed", _escaped(text)))
        text = UNSTORABLE.sub("", text)
    metadata = chunk.metadata
    if metadata is not None:
        metadata = dict(_mended(metadata, Place(collection, chunk.id, "vmetadata"), findings))
    return Chunk(chunk.id, text, metadata, chunk.vector), findings


def _mended(metadata: dict[str, Any], place: Place, findings: list[Finding]) -> Iterator[tuple[str, Any]]:
    for key, value in metadata.items():
        if isinstance(value, float) and not math.isfinite(value):
            why = f"{_escaped(key)} is {value}, which JSON cannot hold: it was left out"
            findings.append(place.finding("number", why, "changed", f"{_escaped(key)}: {value}"))
            continue
        mended_key = UNSTORABLE.sub("", key)
        mended = UNSTORABLE.sub("", value) if isinstance(value, str) else value
        if (mended_key, mended) != (key, value):
            why = f"NUL characters or lone surrogates were removed from {mended_key}, as Open WebUI does"
            findings.append(place.finding("nul", why, "changed", _escaped(f"{key}: {value}")))
        yield mended_key, mended


def own_id(collection: str, chunk_id: str) -> str:
    """Instead of an id that another collection's chunk has: pgvector's table has one key for all of them."""
    return hashlib.sha256(f"{collection}\x1f{chunk_id}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def duplicate(collection: str, chunk_id: str) -> Finding:
    why = f"another collection has a chunk of this id, so it is {own_id(collection, chunk_id)} here"
    return Place(collection, chunk_id, "id").finding("duplicate", why, "changed", chunk_id)


def is_same(ours: Chunk, theirs: Chunk, precision: "np.dtype[Any]") -> bool:
    """Whether the target has it. Its vectors may be longer, filled with zeros, and of half the precision."""
    length = len(ours.vector)
    return (
        ours.text == theirs.text
        and same_values(ours.metadata, theirs.metadata)
        and np.array_equal(ours.vector.astype(precision), theirs.vector[:length].astype(precision))
        and not theirs.vector[length:].any()
    )


def same_values(ours: dict[str, Any] | None, theirs: dict[str, Any] | None) -> bool:
    if ours is None or theirs is None:
        return ours is theirs
    return ours.keys() == theirs.keys() and all(_same_value(value, theirs[key]) for key, value in ours.items())


def _same_value(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, float) and isinstance(theirs, int) and not isinstance(theirs, bool):
        # PostgreSQL writes 1e300 as the whole number that it is.
        return ours == float(theirs)
    return isinstance(ours, bool) == isinstance(theirs, bool) and bool(ours == theirs)


def _kept(chunk: Chunk) -> dict[str, Any]:
    """All of it, for the report."""
    metadata = {key: _in_json(value) for key, value in (chunk.metadata or {}).items()}
    return {
        "text": _escaped(chunk.text),
        "metadata": metadata,
        "vector": [_in_json(float(value)) for value in chunk.vector],
    }


def _in_json(value: Any) -> Any:
    """JSON has no numbers that are not finite."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _escaped(text: str | None) -> str | None:
    """As Python writes it, where it has a character that no text file should have."""
    return None if text is None else text.encode("unicode_escape").decode() if UNSTORABLE.search(text) else text
