"""A page of a collection beside what the target has of it. Both the passes and the check look through it."""

from typing import NamedTuple

from ..messages import Finding
from .chunk import UNSTORABLE, Chunk, duplicate, is_same, mend, own_id
from .source import Unreadable
from .target import Stored, Target


class Page(NamedTuple):
    #: As they have to be in the target, with the ids that they have there.
    chunks: list[Chunk]
    #: Those of them that the target does not have.
    missing: list[Chunk]
    #: Those that it has with other values.
    different: list[Chunk]
    findings: list[Finding]
    #: Ids in the source of chunks with another id in the target.
    renamed: dict[str, str]
    #: How many chunks have a finding, and are in the target; and how many are not.
    mended: int
    aside: int


def compare(target: Target, collection: str, page: list[Chunk]) -> Page:
    longest = max(len(chunk.vector) for chunk in page)
    if longest > target.shape.dimensions:
        raise Unreadable(f"its embeddings have {longest} numbers, the target's column has {target.shape.dimensions}")
    result = Page([], [], [], [], {}, 0, 0)
    mended = aside = 0
    stored = target.read([chunk.id for chunk in page if not UNSTORABLE.search(chunk.id)] + _own_ids(collection, page))
    for original in page:
        chunk, findings = mend(original, collection)
        if chunk is None:
            aside += 1
            result.findings.extend(findings)
            continue
        chunk_id = _place(stored, collection, chunk.id)
        if chunk_id != chunk.id:
            findings.append(duplicate(collection, chunk.id))
            result.renamed[chunk.id] = chunk_id
            chunk.id = chunk_id
        mended += bool(findings)
        result.findings.extend(findings)
        result.chunks.append(chunk)
        there = stored.get(chunk_id)
        if there is None:
            result.missing.append(chunk)
        elif there.collection != collection or not is_same(chunk, there.chunk, target.shape.precision):
            result.different.append(chunk)
    return result._replace(mended=mended, aside=aside)


def _own_ids(collection: str, page: list[Chunk]) -> list[str]:
    return [own_id(collection, chunk.id) for chunk in page]


def _place(stored: dict[str, Stored], collection: str, chunk_id: str) -> str:
    """Its id in the target, where ids are unique among all collections."""
    own = own_id(collection, chunk_id)
    there = stored.get(chunk_id)
    is_taken = there is not None and there.collection != collection
    return own if is_taken or own in stored or UNSTORABLE.search(chunk_id) else chunk_id
