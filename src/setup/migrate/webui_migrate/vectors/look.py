"""``vectors-look``: which collections there are, without a copy and without Chroma's library for a local folder."""

from collections.abc import Mapping

from ..answers import Answers
from .messages import CollectionSize, VectorsLookRequest, VectorsLookResult
from .snapshot import size
from .source import Source, has_folder, server_of
from .states import read_states

#: Of Open WebUI.
DEFAULT_LENGTH = 1_536
#: Longest vector that pgvector indexes with the type vector, and with halfvec.
LONGEST = {"vector": 2_000, "halfvec": 4_000}

#: Estimates for two cores that other work uses too. 100,000 vectors of 384 numbers took 46 s to copy and to compare,
#: and 7 s in the outage, where what has changed is looked for twice (docs/migrate.md). A server's are all read again.
COPIED_A_SECOND = 2_000
LOOKED_THROUGH_A_SECOND = 30_000
READ_AGAIN_A_SECOND = 5_000


def run(request: VectorsLookRequest, answers: Answers) -> VectorsLookResult:
    env, folder = request["env"], request["folder"]
    result: VectorsLookResult = {
        "store": store_of(env),
        "source": None,
        "collections": [],
        "vectors": 0,
        "bytes": 0,
        "settings": {},
        "seconds": 0,
        "outage_seconds": 0,
    }
    if result["store"] != "chroma":
        return result
    server = server_of(env)
    if server is not None:
        result["source"], result["collections"] = server, _of_server(env)
    elif has_folder(folder):
        result["source"], result["collections"] = folder, _of_folder(env, folder)
        result["bytes"] = size(folder)
    vectors = sum(collection["vectors"] for collection in result["collections"])
    longest = max((collection["dimensions"] or 0 for collection in result["collections"]), default=0)
    result["vectors"] = vectors
    result["settings"] = _settings(env, longest)
    result["seconds"] = vectors / COPIED_A_SECOND
    result["outage_seconds"] = 2 * vectors / (LOOKED_THROUGH_A_SECOND if server is None else READ_AGAIN_A_SECOND)
    return result


def store_of(env: Mapping[str, str]) -> str:
    return env.get("VECTOR_DB") or "chroma"


def _of_folder(env: Mapping[str, str], folder: str) -> list[CollectionSize]:
    states = sorted(read_states(env, folder).values())
    return [{"name": state.name, "vectors": state.vectors, "dimensions": state.dimensions} for state in states]


def _of_server(env: Mapping[str, str]) -> list[CollectionSize]:
    source = Source(env, None)
    try:
        return [
            {"name": found.name, "vectors": found.vectors, "dimensions": source.dimensions(found)}
            for found in source.collections()
        ]
    finally:
        source.close()


def _settings(env: Mapping[str, str], longest: int) -> dict[str, str]:
    """What the target needs for the longest vectors. Those too long for any index are embedded again."""
    length = int(env.get("PGVECTOR_INITIALIZE_MAX_VECTOR_LENGTH", DEFAULT_LENGTH))
    if longest <= length or longest > LONGEST["halfvec"]:
        return {}
    settings = {"PGVECTOR_INITIALIZE_MAX_VECTOR_LENGTH": str(longest)}
    if longest > LONGEST["vector"]:
        settings["PGVECTOR_USE_HALFVEC"] = "true"
    return settings
