"""On PYTHONPATH: hides torch and its like from an Open WebUI that embeds elsewhere, as the lean level does."""

import sys

sys.modules.update(dict.fromkeys(("torch", "transformers", "sentence_transformers")))  # type: ignore[arg-type]
