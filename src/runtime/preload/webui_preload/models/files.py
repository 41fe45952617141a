"""Which files of a repository a model needs, and whether a file has arrived intact."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

#: Small files: settings, vocabularies, templates, code.
_SMALL = re.compile(r".*\.(json|txt|model|py|jinja|tiktoken|bpe|yaml)")

#: Folders with the same model for other runtimes, or with checkpoints of its training.
_OTHERS = re.compile(r"(onnx|openvino|coreml|gguf|mlx|tf|flax|checkpoint-\d+|runs|\..*)")

_SAFETENSORS = re.compile(r"model(-\d+-of-\d+)?\.safetensors")
_TORCH = re.compile(r"pytorch_model(-\d+-of-\d+)?\.bin")

#: The default file of the other backends of sentence_transformers (SENTENCE_TRANSFORMERS_BACKEND).
_BACKENDS = {
    "onnx": re.compile(r"(onnx/)?model\.onnx(_data)?"),
    "openvino": re.compile(r"(openvino/)?openvino_model\.(xml|bin)"),
}

_DIGEST = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


@dataclass(frozen=True)
class RemoteFile:
    """A file as the hub describes it."""

    path: str
    #: Bytes; 0 where the hub's list of files has none.
    size: int
    #: In hexadecimal: SHA-256 of a large file, SHA-1 of a small one as a blob of git; empty where the list has none.
    digest: str

    @classmethod
    def parse(cls, entry: Mapping[str, Any]) -> "RemoteFile":
        """From an entry of `siblings` (with `blobs=true`); raises ValueError, KeyError or TypeError."""
        large = entry.get("lfs")
        digest = str(large["sha256"] if large else entry.get("blobId") or "")
        file = cls(str(entry["rfilename"]), int(entry.get("size") or 0), digest)
        path = PurePosixPath(file.path)
        if path.is_absolute() or ".." in path.parts or not _DIGEST.fullmatch(digest or "0" * 40):
            raise ValueError(f"a hub that names such a file is not to be trusted: {file.path}")
        return file

    def completed(self, headers: Mapping[str, str]) -> "RemoteFile":
        """The file, with size and checksum from a HEAD request. Raises ValueError where there is no checksum."""
        tag = (headers.get("x-linked-etag") or headers.get("etag") or "").removeprefix("W/").strip('"')
        if not _DIGEST.fullmatch(tag):
            raise ValueError(f"no checksum of {self.path}")
        return RemoteFile(self.path, int(headers.get("x-linked-size") or headers["content-length"]), tag)

    def is_content(self, path: Path, progress: Callable[[], object]) -> bool:
        """Whether the file at ``path`` is this one; ``progress`` is called while it is read."""
        if path.stat().st_size != self.size:
            return False
        is_large = len(self.digest) == 64
        digest = hashlib.sha256() if is_large else hashlib.sha1(b"blob %d\0" % self.size)
        with open(path, "rb") as file:
            while data := file.read(1 << 22):
                digest.update(data)
                progress()
        return digest.hexdigest() == self.digest


def files_to_fetch(files: list[RemoteFile], environ: Mapping[str, str]) -> list[RemoteFile]:
    """The files that sentence_transformers loads, weights last, without weights for other runtimes."""
    backend = _BACKENDS.get(environ.get("SENTENCE_TRANSFORMERS_BACKEND", ""))
    weights, small = [], []
    for file in files:
        *folders, name = PurePosixPath(file.path).parts
        if backend and backend.fullmatch(file.path):
            weights.append(file)
        elif any(map(_OTHERS.fullmatch, folders)):
            continue
        elif _SAFETENSORS.fullmatch(name) or (_TORCH.fullmatch(name) and not _has_safetensors(files, folders)):
            weights.append(file)
        elif _SMALL.fullmatch(name) and not _TORCH_INDEX.fullmatch(name):
            small.append(file)
    # An index of torch's shards would name files that are not fetched where there are safetensors.
    small += [f for f in files if _is_torch_index(f) and not _has_safetensors(files, _folders(f))]
    return sorted(small, key=_path) + sorted(weights, key=_path)


def code_only(files: list[RemoteFile]) -> list[RemoteFile]:
    """The code files of a repository, for a model that takes its code from there."""
    return [file for file in files if file.path.endswith(".py") or file.path == "config.json"]


_TORCH_INDEX = re.compile(r"pytorch_model\.bin\.index\.json")


def _is_torch_index(file: RemoteFile) -> bool:
    return bool(_TORCH_INDEX.fullmatch(PurePosixPath(file.path).name))


def _has_safetensors(files: list[RemoteFile], folders: list[str]) -> bool:
    return any(_folders(file) == folders and _SAFETENSORS.fullmatch(PurePosixPath(file.path).name) for file in files)


def _folders(file: RemoteFile) -> list[str]:
    return list(PurePosixPath(file.path).parts[:-1])


def _path(file: RemoteFile) -> str:
    return file.path
