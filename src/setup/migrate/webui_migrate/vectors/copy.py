"""``vectors-copy``: makes the target's chunks those of the source. What is the same already is not written."""

import time

from ..answers import Answers
from ..messages import Action, Finding
from ..meter import Meter, largest_memory
from .carried import compare
from .look import store_of
from .messages import CopiedCollection, VectorsCopyRequest, VectorsCopyResult
from .part import Part, beside, part_of
from .records import Record, Records
from .reindex import reindex
from .report import Report
from .source import Collection, Source, Unreadable, open_source
from .table import drop_indexes, require_table
from .target import Target, connect, open_target


def run(request: VectorsCopyRequest, answers: Answers) -> VectorsCopyResult:
    started = time.monotonic()
    copied: list[CopiedCollection] = []
    if store_of(request["env"]) == "chroma":
        env, target = request["env"], request["target"]
        require_table(env, target)
        if request["pass"] == 1:
            drop_indexes(env, target)
        with connect(env, target) as connection:
            copied = _copy(request, open_target(connection, env), Records(connection), answers)
    requests, lost = reindex(result["collection"] for result in copied if result["reason"])
    return {
        "collections": copied,
        "reindex": requests,
        "lost": lost,
        "seconds": time.monotonic() - started,
        "memory": largest_memory(),
    }


def _copy(request: VectorsCopyRequest, target: Target, records: Records, answers: Answers) -> list[CopiedCollection]:
    recorded = records.read(target.collections())
    known = {name: record.version for name, record in recorded.items()}
    copied: list[CopiedCollection] = []
    with open_source(request["env"], request["folder"], request["work"], known) as (unchanged, source):
        collections = source.collections() if source else []
        # First what is gone: its ids are free then for the collections that are there.
        for name in target.collections().keys() - unchanged.keys() - {found.name for found in collections}:
            copied.append(_result(name, deleted=target.delete_collection(name)))
        for name in unchanged:
            record = recorded[name]
            copied.append({**_result(name, record.vectors), "mended": record.mended, "aside": record.aside})
        told = Report.chunks(request["report"])
        report = Report(request["report"], answers, keep=unchanged.keys())
        parts = [_part(source, found, recorded.get(found.name), told.get(found.name, set())) for found in collections]
        amounts = (
            found.vectors if part is None else len(part.ids) for found, part in zip(collections, parts, strict=True)
        )
        meter = Meter(answers, f"vectors, pass {request['pass']}", sum(amounts))
        for collection, part in zip(collections, parts, strict=True):
            assert source is not None
            if part is None:
                records.forget(collection.name)
            result = _carry(source, target, (collection, part), meter, report)
            copied.append(result)
            if part is not None:
                _record(records, recorded[collection.name], collection, part, result)
        report.complete()
    return copied


def _part(source: Source | None, collection: Collection, record: Record | None, told: set[str]) -> Part | None:
    # What is told of its chunks is told again: they are read again.
    if source is None or (record is not None and len(told) != record.mended + record.aside):
        return None
    return part_of(source, collection, record, told)


def _record(records: Records, before: Record, collection: Collection, part: Part, result: CopiedCollection) -> None:
    """That the part has still to be compared; after a kill before it, the same part is copied again."""
    if result["reason"] is None and collection.version is not None:
        records.keep(
            before._replace(
                version=collection.version,
                vectors=collection.vectors,
                mended=result["mended"],
                aside=result["aside"],
                since=part.since,
            )
        )
    else:
        records.forget(collection.name)


def _carry(
    source: Source, target: Target, what: tuple[Collection, Part | None], meter: Meter, report: Report
) -> CopiedCollection:
    collection, part = what
    result = _result(collection.name, vectors=collection.vectors)
    kept: set[str] = set()
    meter.table = collection.name
    try:
        for page in source.pages(collection, None if part is None else part.ids):
            compared = compare(target, collection.name, page)
            if changed := compared.missing + compared.different:
                target.write(collection.name, changed)
            report.add(compared.findings)
            kept.update(chunk.id for chunk in compared.chunks)
            result["inserted"] += len(compared.missing)
            result["updated"] += len(compared.different)
            result["mended"] += compared.mended
            result["aside"] += compared.aside
            meter.add(len(page))
    except Unreadable as error:
        # A part of it would pass for all of it, and Open WebUI would not embed the rest.
        deleted = target.delete_collection(collection.name)
        report.add([_not_carried(collection, str(error))])
        return _result(collection.name, vectors=collection.vectors, deleted=deleted, reason=str(error))
    if not collection.is_cosine and collection.vectors:
        report.add([_other_distance(collection)])
    stale = target.ids(collection.name) - kept if part is None else beside(target, collection, part, kept)
    result["deleted"] = target.delete(list(stale)) if stale else 0
    return result


def _result(collection: str, vectors: int = 0, deleted: int = 0, reason: str | None = None) -> CopiedCollection:
    return {
        "collection": collection,
        "vectors": vectors,
        "inserted": 0,
        "updated": 0,
        "deleted": deleted,
        "mended": 0,
        "aside": 0,
        "reason": reason,
    }


def _not_carried(collection: Collection, reason: str) -> Finding:
    problem = "dimensions" if "numbers" in reason else "unreadable"
    return _whole(collection, problem, f"not carried, to be embedded again: {reason}", "left")


def _other_distance(collection: Collection) -> Finding:
    why = f"Chroma searched it by {collection.space}, Open WebUI searches pgvector by cosine: answers may differ"
    return _whole(collection, "distance", why, "changed")


def _whole(collection: Collection, problem: str, message: str, action: Action) -> Finding:
    return {
        "table": collection.name,
        "key": None,
        "column": None,
        "problem": problem,
        "message": message,
        "action": action,
    }
