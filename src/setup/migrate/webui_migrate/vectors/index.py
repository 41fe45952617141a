"""The files of a collection's index, which Chroma's library can only load as a whole.

They have each embedding with the length 1, and the lengths in a file of their own. They are read only where they are
as Chroma writes them today: the sizes in the header; the mark, the label and the length of each element; its id.
"""

import os
import pickle
import struct
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from .chunk import Vector

#: Of hnswlib as Chroma has it: version, offset of the first element, capacity, elements, size of each, offsets of its
#: label and of its vector in it; the rest is for searches.
HEADER = struct.Struct("<iQQQQQQiIQQQdQ")
VERSION = 1
#: In an element's first four bytes: it was deleted.
DELETED = 0x10000
LABEL_BYTES = 8
FLOAT = np.dtype("<f4")
#: Elements that are looked at at once: some megabytes.
BLOCK = 2_000
#: How far from 1 rounding may bring the length of an embedding.
ROUNDING = 1e-3


class Unknown(Exception):
    """Something is not as it is known."""


class Index:
    """``folder``: of the index. Raises Unknown, or whatever damaged files lead to."""

    def __init__(self, folder: Path) -> None:
        header = HEADER.unpack((folder / "header.bin").read_bytes())
        version, first, _, self._count, self._size, self._label, self._vector, *_, links, _, _, _ = header
        self._dimensions = (self._label - self._vector) // FLOAT.itemsize
        self._data = folder / "data_level0.bin"
        self.bytes = self._data.stat().st_size
        is_known = version == VERSION and first == 0 and self._vector == 4 * links + 4
        if not is_known or self._label + LABEL_BYTES != self._size or self.bytes < self._count * self._size:
            raise Unknown("another form of the index")
        self._lengths = np.fromfile(folder / "length.bin", FLOAT, self._count)
        #: The number of each embedding in the file.
        self.numbers = self._read_numbers(folder / "index_metadata.pickle")
        self._file = os.open(self._data, os.O_RDONLY)

    def close(self) -> None:
        os.close(self._file)

    def read(self, number: int) -> Vector:
        start = number * self._size + self._vector
        read = np.frombuffer(os.pread(self._file, self._dimensions * FLOAT.itemsize, start), FLOAT)
        vector: Vector = read * self._lengths[number]
        return vector

    def _read_numbers(self, ids: Path) -> dict[str, int]:
        with ids.open("rb") as file:
            known = _PlainUnpickler(file).load()
        if not isinstance(known, dict) or known.get("max_seq_id") is not None:
            raise Unknown("ids in another form")
        labels = known["id_to_label"]
        numbers = self._read_labels()
        if len(labels) != len(numbers):
            raise Unknown("elements without an id")
        return {chunk_id: numbers[label] for chunk_id, label in labels.items()}

    def _read_labels(self) -> dict[int, int]:
        """Of each element that was not deleted, and its number."""
        numbers: dict[int, int] = {}
        for start in range(0, self._count, BLOCK):
            count = min(BLOCK, self._count - start)
            read = np.fromfile(self._data, self._element, count, offset=start * self._size)
            alive = np.flatnonzero(read["flags"] & DELETED == 0)
            lengths = np.linalg.norm(read["vector"][alive], axis=1)
            has_length_1 = (np.abs(lengths - 1) < ROUNDING) | (lengths == 0)
            if not (has_length_1 & np.isfinite(self._lengths[start + alive])).all():
                raise Unknown("embeddings of other lengths")
            numbers.update(zip(read["label"][alive].tolist(), (start + alive).tolist(), strict=True))
        return numbers

    @property
    def _element(self) -> "np.dtype[Any]":
        parts: Any = {
            "names": ["flags", "vector", "label"],
            "formats": ["<u4", f"({self._dimensions},)<f4", "<u8"],
            "offsets": [0, self._vector, self._label],
            "itemsize": self._size,
        }
        element: np.dtype[Any] = np.dtype(parts)
        return element


class _PlainUnpickler(pickle.Unpickler):
    """For values alone: what names a class is of an older Chroma, or of somebody who wants to run something."""

    def find_class(self, module_name: str, global_name: str) -> NoReturn:
        raise Unknown(f"{module_name}.{global_name}")
