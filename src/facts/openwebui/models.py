"""Looks for models on this machine, and for what runs them; asks Hugging Face about those that are missing.

Run by the installation's own Python, with its own settings: the cache, the address, the proxy and the token are
those that Open WebUI would use. Reads {"look": [name], "missing": [name], "ask": bool} from standard input. Writes
one line of JSON when it has looked, and another one when it has asked about ``missing`` and what it did not find.
Whoever runs this may end it in between: a name server that hangs cannot be given a time limit from here.
"""

import json
import os
import sys
import time
from importlib.util import find_spec
from typing import Any

from probe import make_runtime_importable

make_runtime_importable()

from webui_preload.models.cache import current_snapshot, find_model, models_folder, repository_of  # noqa: E402

#: Seconds for one answer.
TIMEOUT = 4

#: What Open WebUI runs its local models with.
PACKAGES = ("sentence_transformers", "torch", "transformers")


def look(name: str) -> dict[str, Any]:
    """Whether the workers would load the model from here; ``reason``: from where, or why not."""
    cache = f"the cache {models_folder(os.environ)}"
    repository = repository_of(name)
    if found := find_model(name, os.environ):
        return {"name": name, "here": True, "reason": f"in {name if found == name else cache}"}
    if not repository:
        reason = f"there is no {name}"
    elif current_snapshot(repository, os.environ):
        reason = f"it is not whole in {cache}"
    else:
        reason = f"it is not in {cache}"
    return {"name": name, "here": False, "reason": reason}


def ask(name: str) -> dict[str, Any]:
    """Whether Hugging Face has the model; if not, ``reason``."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    started = time.monotonic()
    reason = ""
    try:
        HfApi().model_info(repository_of(name), timeout=TIMEOUT)
    except GatedRepoError:
        reason = f"it gives {name} only to those who have agreed to its licence (HF_TOKEN)"
    except RepositoryNotFoundError:
        reason = f"it knows no model {name}, or not without HF_TOKEN"
    except Exception as error:
        reason = why(error)
    return {"name": name, "reason": reason, "ms": round((time.monotonic() - started) * 1000)}


def why(error: BaseException) -> str:
    """The cause in one line. The address in it is not shown: it may hold a password."""
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if status is not None:
        return f"it answers with {status}"
    if isinstance(error, ValueError):
        return "what answers is not Hugging Face: it sends no JSON"
    text = str(error).strip().partition("\n")[0] or type(error).__name__
    return text.partition("(Request ID")[0].strip()[:200]


def main() -> None:
    question = json.load(sys.stdin)
    looked = [look(name) for name in question["look"]]
    absent = [name for name in PACKAGES if find_spec(name) is None]
    missing = [*question["missing"], *(model["name"] for model in looked if not model["here"])]
    names = [name for name in missing if question["ask"] and repository_of(name)]
    if names:
        import huggingface_hub.hf_api  # noqa: F401 - takes a while, for which Hugging Face is not to blame
    cache = os.path.abspath(models_folder(os.environ))
    print(json.dumps({"models": looked, "absent": absent, "cache": cache}), flush=True)
    print(json.dumps([ask(name) for name in names]), flush=True)


if __name__ == "__main__":
    main()
