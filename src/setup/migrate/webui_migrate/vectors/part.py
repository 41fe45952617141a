"""The part of a collection that has changed since it was compared: the rest of it is not read again."""

from collections.abc import Container, Iterable
from typing import NamedTuple

from .chunk import own_id
from .records import Record
from .source import Collection, Source
from .states import Version
from .target import Target


class Part(NamedTuple):
    #: The change after which it is looked at.
    since: int
    #: Ids of the chunks that are read, and of those that are not.
    ids: list[str]
    others: set[str]


def part_of(source: Source, collection: Collection, record: Record | None, again: Container[str] = ()) -> Part | None:
    """``again``: ids of chunks that are read besides. None: all of the collection has to be."""
    if record is None or collection.version is None:
        return None
    known = Version.parse(record.version)
    if known.key != Version.parse(collection.version).key:
        return None
    since = known.change if record.since is None else record.since
    ids: list[str] = []
    others: set[str] = set()
    for chunk_id, change in source.changes(collection).items():
        if change > since or chunk_id in again:
            ids.append(chunk_id)
        else:
            others.add(chunk_id)
    return Part(since, ids, others)


def beside(target: Target, collection: Collection, part: Part, kept: set[str]) -> set[str]:
    """Ids that the target has, and that are of no chunk: ``kept`` are those of the chunks that were read."""
    found = target.ids(collection.name) - kept - part.others
    return found - places(collection, part.others) if found else found


def places(collection: Collection, ids: Iterable[str]) -> set[str]:
    """Every id that chunks of the source may have in the target."""
    return {place for chunk_id in ids for place in (chunk_id, own_id(collection.name, chunk_id))}
