"""What requests and answers of the commands for vectors contain.

Findings (``messages.Finding``) have the collection as ``table``, the chunk's id as ``key``, and as ``column`` id,
text, vmetadata or vector. Problems: ``nul`` (NUL characters, lone surrogates), ``number`` (not finite), ``duplicate``
(another collection's chunk has the id), ``dimensions``, ``unreadable``, ``distance`` (not searched by cosine).

Codes of errors: ``vectors-old`` (Chroma cannot read the folder), ``chroma-unreachable``, ``target-not-empty``,
``target-no-pgvector``, ``table-failed`` (Open WebUI did not make its table).
"""

from typing import Literal, TypedDict

from ..messages import Compared


class VectorsLookRequest(TypedDict):
    #: The installation's settings: VECTOR_DB, CHROMA_*, PGVECTOR_*; others are ignored.
    env: dict[str, str]
    #: DATA_DIR/vector_db. It is read where CHROMA_HTTP_HOST is not set.
    folder: str


class CollectionSize(TypedDict):
    name: str
    vectors: int
    #: None: it is empty.
    dimensions: int | None


class VectorsLookResult(TypedDict):
    #: VECTOR_DB. Any other than chroma is left alone, and the rest is empty: it does not depend on the database.
    store: str
    #: The folder or the server's address; None: there is none yet, nothing was ever stored.
    source: str | None
    collections: list[CollectionSize]
    vectors: int
    #: Of a local folder, which ``vectors-copy`` copies into ``work``; 0 for a server.
    bytes: int
    #: What the target's PGVECTOR_* have to be, to carry all of them; only where their default does not do.
    settings: dict[str, str]
    #: Estimates. Outage: the second pass, and ``vectors-verify``.
    seconds: float
    outage_seconds: float


class VectorsMakeRequest(TypedDict):
    #: As in VectorsLookRequest.
    env: dict[str, str]
    #: As in VectorsVerifyRequest.
    target: str
    #: False: the table. True: the indexes that are missing, after the first pass.
    indexes: bool


class VectorsMadeResult(TypedDict):
    seconds: float
    memory: int


class VectorsVerifyRequest(VectorsLookRequest):
    """To be asked after each pass. What was equal after the first one, and Chroma has not changed since, is not read
    again: neither by the second pass nor by the check after it, which are all of the outage.
    After the first pass, collections may differ that the old server writes.
    """

    #: As DATABASE_URL; PGVECTOR_DB_URL in ``env`` has priority, as in Open WebUI.
    target: str
    #: A folder for copies, replaced by each command. It takes as much as ``VectorsLookResult.bytes``, and is removed
    #: at the end.
    work: str


VectorsCopyRequest = TypedDict(
    "VectorsCopyRequest",
    {
        "env": dict[str, str],
        "folder": str,
        "target": str,
        "work": str,
        #: 1: while the old server runs. 2: with it stopped; does all of it where there was no first pass. Never after
        #: the new server has started: what is not in the source is deleted.
        "pass": Literal[1, 2],
        #: Path of the report, as that of ``copy``, but its own.
        "report": str,
    },
)


class Reindex(TypedDict):
    """A request to the new server, as an administrator, which has it embed again."""

    method: Literal["POST"]
    path: str
    body: dict[str, str]


class CopiedCollection(TypedDict):
    collection: str
    #: Of the source.
    vectors: int
    inserted: int
    updated: int
    deleted: int
    #: Chunks with a finding: those in the target with another value, those kept in the report only.
    mended: int
    aside: int
    #: Why it cannot be carried; None: it was. In the first pass it may be that the server was writing it.
    reason: str | None


class VectorsCopyResult(TypedDict):
    collections: list[CopiedCollection]
    #: To be called after the start, each once; covers all collections with a reason but ``lost``.
    reindex: list[Reindex]
    #: Collections with a reason that Open WebUI cannot embed again: results of web searches, pages and pasted texts.
    lost: list[str]
    seconds: float
    #: Largest memory of this process, in bytes.
    memory: int


class VerifiedCollection(Compared):
    collection: str
    #: How many chunks' nearest neighbours were asked for, and for how many the answers were the same: the same ids in
    #: the same order but for ties, or nearer ones that Chroma's approximate index had missed.
    sampled: int
    same_neighbours: int
    reason: str | None


class VectorsVerifyResult(TypedDict):
    #: All but those with a reason.
    equal: bool
    collections: list[VerifiedCollection]
    seconds: float
    memory: int
