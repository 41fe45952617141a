"""The file that says which models are here, and the line for the log (contract.ts, models-state.ts)."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

#: File of the run folder (contract.ts, MODELS_STATE).
MODELS_STATE = "models.json"

#: What does not work without a model of the kind (contract.ts, WITHOUT_MODEL).
WITHOUT_MODEL = {
    "embedding": "documents cannot be read or searched",
    "reranker": "search results are not ranked",
}

#: How to mend it (contract.ts, MODEL_MEND).
MODEL_MEND = (
    "Let this machine reach Hugging Face, name a proxy (HTTPS_PROXY) or a mirror (HF_ENDPOINT) in the env file, or "
    "bring the model along: docs/offline.md"
)


@dataclass(frozen=True)
class ModelState:
    """One model that start-up loads; ``reason``: why it is not here, empty where it is."""

    kind: str
    name: str
    here: bool
    reason: str = ""

    def line(self) -> str:
        """What does not work, why, and how to mend it (models-state.ts, lineOf)."""
        lacks = f"the {self.kind} model {self.name} is not on this machine: {WITHOUT_MODEL[self.kind]}"
        return f"{lacks}; {self.reason}. {MODEL_MEND}"


@dataclass(frozen=True)
class SupplyState:
    """All that the file says."""

    endpoint: str
    #: Whether workers run with Hugging Face offline.
    offline: bool
    models: list[ModelState]
    #: Seconds since 1970 of the next attempt; None: there is none.
    next_attempt_at: float | None

    def write(self, folder: Path, now: float) -> None:
        """Replace the file at once, so that a reader sees the old one or the new one."""
        content = {
            "endpoint": self.endpoint,
            "offline": self.offline,
            "models": [asdict(model) for model in self.models],
            "checkedAt": _iso(now),
            "nextAttemptAt": None if self.next_attempt_at is None else _iso(self.next_attempt_at),
        }
        path = folder / MODELS_STATE
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(content), encoding="utf-8")
        unfinished.replace(path)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
