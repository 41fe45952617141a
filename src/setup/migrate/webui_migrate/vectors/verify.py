"""``vectors-verify``: compares every chunk of every collection, and what is near to some of them."""

import random
import time

from ..answers import Answers
from ..meter import Meter, largest_memory
from .carried import compare
from .chunk import Chunk
from .look import store_of
from .messages import VectorsVerifyRequest, VectorsVerifyResult, VerifiedCollection
from .part import Part, beside, part_of, places
from .records import Record, Records
from .source import Collection, Source, Unreadable, open_source
from .target import Target, connect, open_target

#: Chunks whose neighbours are asked for: of each collection, and of all.
SAMPLES_EACH = 3
SAMPLES = 120
NEIGHBOURS = 10
#: How far two computations of one cosine distance are apart, for each type of the column.
TOLERANCE = {"vector": 1e-5, "halfvec": 5e-3}
#: Ids that a result names.
NAMED = 20


def run(request: VectorsVerifyRequest, answers: Answers) -> VectorsVerifyResult:
    started = time.monotonic()
    verified: list[VerifiedCollection] = []
    env = request["env"]
    if store_of(env) == "chroma":
        with connect(env, request["target"]) as connection:
            verified = _verify(request, open_target(connection, env), Records(connection), answers)
    return {
        "equal": all(result["equal"] for result in verified if not result["reason"]),
        "collections": verified,
        "seconds": time.monotonic() - started,
        "memory": largest_memory(),
    }


def _verify(
    request: VectorsVerifyRequest, target: Target, records: Records, answers: Answers
) -> list[VerifiedCollection]:
    checked = target.transaction()
    counts = target.collections()
    recorded = records.read(counts)
    known = {name: record.version for name, record in recorded.items() if record.since is None}
    verified: list[VerifiedCollection] = []
    with open_source(request["env"], request["folder"], request["work"], known) as (unchanged, source):
        verified.extend(_recorded(recorded[name], counts.pop(name, 0)) for name in unchanged)
        collections = source.collections() if source else []
        meter = Meter(answers, "vectors, check", sum(collection.vectors for collection in collections))
        for collection, samples in zip(collections, _samples(len(collections)), strict=True):
            assert source is not None
            meter.table = collection.name
            record = recorded.get(collection.name)
            result = _check_part(source, target, collection, samples, record)
            if result is None:
                result = _check(source, target, collection, samples, meter, None)
            result["target"] = counts.pop(collection.name, 0)
            result["equal"] = result["equal"] and result["target"] == result["source"] - result["aside"]
            if result["equal"] and collection.version is not None:
                records.keep(_record(collection.version, result, checked))
            else:
                records.forget(collection.name)
            verified.append(result)
    for name, count in counts.items():
        verified.append({**_result(name), "target": count})
    return verified


def _samples(collections: int) -> list[int]:
    """How many chunks of each collection, the same each time: of some where there are many collections."""
    dice = random.Random(collections)
    each = min(SAMPLES_EACH, max(1, SAMPLES // max(1, collections)))
    return [each if dice.random() * collections < SAMPLES else 0 for _ in range(collections)]


def _record(version: str, result: VerifiedCollection, checked: str) -> Record:
    numbers = result["mended"], result["aside"], result["sampled"], result["same_neighbours"]
    return Record(result["collection"], version, result["source"], *numbers, None, checked)


def _recorded(record: Record, target: int) -> VerifiedCollection:
    return {
        **_result(record.collection, record.vectors),
        "target": target,
        "mended": record.mended,
        "aside": record.aside,
        "equal": True,
        "sampled": record.sampled,
        "same_neighbours": record.same_neighbours,
    }


def _check_part(
    source: Source, target: Target, collection: Collection, samples: int, record: Record | None
) -> VerifiedCollection | None:
    """Compares what has changed since all of it was compared. None: the whole of it has to be."""
    if record is None or record.since is None or record.version != collection.version:
        return None
    part = part_of(source, collection, record)
    if part is None:
        return None
    result = _check(source, target, collection, samples, None, part)
    changed = places(collection, part.ids)
    others = target.written_since(collection.name, record.checked) - changed
    if not result["equal"] or others or beside(target, collection, part, changed):
        return None
    return {**result, "mended": record.mended, "aside": record.aside}


def _check(
    source: Source, target: Target, collection: Collection, samples: int, meter: Meter | None, part: Part | None
) -> VerifiedCollection:
    result = _result(collection.name, collection.vectors)
    renamed: dict[str, str] = {}
    sampled: list[Chunk] = []
    dice = random.Random(collection.name)
    differing: list[str] = []
    seen = 0
    try:
        for page in source.pages(collection, None if part is None else part.ids):
            compared = compare(target, collection.name, page)
            differing.extend(chunk.id for chunk in compared.missing + compared.different)
            result["mended"] += compared.mended
            result["aside"] += compared.aside
            renamed.update(compared.renamed)
            for chunk in compared.chunks:
                seen += 1
                if len(sampled) < samples:
                    sampled.append(chunk)
                elif samples and (place := dice.randrange(seen)) < samples:
                    sampled[place] = chunk
            if meter is not None:
                meter.add(len(page))
    except Unreadable as error:
        result["reason"] = str(error)
        return result
    result["differing"] = differing[:NAMED]
    for chunk in sampled if collection.is_cosine and not differing else []:
        if chunk.vector.any():
            result["sampled"] += 1
            result["same_neighbours"] += _has_same_neighbours(source, target, collection, chunk, renamed)
    result["equal"] = not differing and result["sampled"] == result["same_neighbours"]
    return result


def _has_same_neighbours(
    source: Source, target: Target, collection: Collection, chunk: Chunk, renamed: dict[str, str]
) -> bool:
    """Chroma's index is approximate, the target is asked without one: it may find nearer ones, or others as near."""
    theirs = source.nearest(collection, chunk.vector, min(NEIGHBOURS, collection.vectors))
    ours = target.nearest(collection.name, chunk.vector, len(theirs.ids))
    tolerance = TOLERANCE[target.shape.type]
    distances = dict(ours)
    for place, (chunk_id, distance) in enumerate(zip(theirs.ids, theirs.distances, strict=True)):
        if place < len(ours) and ours[place][1] > distance + tolerance:
            return False
        own = distances.get(renamed.get(chunk_id, chunk_id))
        if own is None and ours and distance < ours[-1][1] - tolerance:
            return False
        if own is not None and abs(own - distance) > tolerance:
            return False
    return bool(ours)


def _result(collection: str, vectors: int = 0) -> VerifiedCollection:
    return {
        "collection": collection,
        "source": vectors,
        "target": 0,
        "mended": 0,
        "aside": 0,
        "equal": False,
        "differing": [],
        "sampled": 0,
        "same_neighbours": 0,
        "reason": None,
    }
