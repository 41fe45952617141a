"""Compresses each file under /_app/immutable/ once, into one file that all workers map.

The names have a hash of the content (Vite's build), so that a pack is valid while its folder has the same files. A
cache folder keeps one pack for each frontend folder. ``python -m webui_preload.static.pack FRONTEND CACHE`` makes it,
unless it is there.

    header      _HEADER
    bodies      one after the other
    records     _RECORD, one a file, in the order of their keys: found by bisection, so that a worker's own memory
                holds nothing of it

Mapped pages belong to the kernel's file cache: all workers share them, and a client that reads slowly holds no copy.
"""

import fcntl
import gzip
import hashlib
import importlib
import mmap
import os
import signal
import struct
import sys
from bisect import bisect_left
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ..kernel import end_with_parent

#: Path of the files in Open WebUI's page, and their folder below the frontend's.
PREFIX = "/_app/immutable/"

#: Codings of a body, in the order of a record.
IDENTITY, BROTLI, ZSTD, GZIP = "identity", "br", "zstd", "gzip"
CODINGS = (IDENTITY, BROTLI, ZSTD, GZIP)

#: Files that are worth compressing. Fonts of type woff and woff2 are compressed already.
_COMPRESSIBLE = frozenset({".js", ".mjs", ".css", ".wasm", ".ttf", ".json", ".svg", ".txt", ".html"})

#: Source maps: only debuggers ask for them, and they are larger than the rest together (81 of 141 MB).
_LEFT_TO_APP = frozenset({".map"})

#: Bytes of the smallest file that is compressed, as in the app (starlette_compress, minimum_size).
_LEAST_COMPRESSED = 500

#: Levels that are quick enough to be done when the app is imported: 8 s of CPU for Open WebUI 0.12.4. Size of its 820
#: files with brotli 5: 15.0 MB (2.4 s), 7: 14.7 (5.5 s), 9: 14.6 (13 s); with 4, which the app uses: 16.0 (1.6 s).
_BROTLI_QUALITY, _ZSTD_LEVEL, _GZIP_LEVEL = 5, 9, 6

_MAGIC = b"webui-tune static pack 1\n"
#: Magic, offset of the records, their number.
_HEADER = struct.Struct("<32sQQ")
#: Key, ETag without quotes, time of change (s since 1970), whether it has bodies here, and their offsets and lengths.
_RECORD = struct.Struct("<16s32sQ?" + len(CODINGS) * "QQ")
_KEY_BYTES = 16


class PackError(Exception):
    """There is no pack, or none that can be used; the text says why."""


class StaticFile(NamedTuple):
    """A file of the page, and where its bodies are in the pack."""

    etag: str
    last_modified: str
    is_packed: bool
    #: Offset and length by coding, without codings that would not be smaller.
    bodies: dict[str, tuple[int, int]]


class Pack:
    """A mapped pack. Raises PackError where the file is no pack."""

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise PackError(f"{path}: {error}") from error
        if len(self._map) < _HEADER.size:
            raise PackError(f"{path} is cut short")
        magic, self._records, self.count = _HEADER.unpack_from(self._map)
        if magic.rstrip(b"\0") != _MAGIC.rstrip(b"\0") or self._records + self.count * _RECORD.size != len(self._map):
            raise PackError(f"{path} is not a whole pack of this version")

    def find(self, path: str) -> StaticFile | None:
        """The file at a path of the page, such as ``/_app/immutable/entry/start.x.js``."""
        key = _key(path)
        index = bisect_left(range(self.count), key, key=self._key_at)
        if index == self.count or self._key_at(index) != key:
            return None
        _, etag, modified, is_packed, *places = _RECORD.unpack_from(self._map, self._records + index * _RECORD.size)
        bodies = {
            coding: (places[2 * position], places[2 * position + 1])
            for position, coding in enumerate(CODINGS)
            if places[2 * position]
        }
        return StaticFile(f'"{etag.decode()}"', formatdate(modified, usegmt=True), is_packed, bodies)

    def body(self, file: StaticFile, coding: str) -> memoryview:
        """The body, as a view and not a copy."""
        offset, length = file.bodies[coding]
        return memoryview(self._map)[offset : offset + length]

    def _key_at(self, index: int) -> bytes:
        start = self._records + index * _RECORD.size
        return self._map[start : start + _KEY_BYTES]


def pack_path(frontend: Path, cache: Path) -> Path:
    """Path of the pack of a frontend folder, which need not exist. Raises OSError where the folder cannot be read."""
    content = hashlib.sha256(_MAGIC)
    for name, path in _files(frontend):
        status = path.stat()
        content.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return cache / f"{_folder_id(frontend)}-{content.hexdigest()[:16]}.pack"


def make_pack(frontend: Path, cache: Path) -> Path:
    """Make the pack unless it is there, and remove packs of earlier contents of the folder. Raises OSError."""
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(cache / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another installation may be making it
        target = pack_path(frontend, cache)
        if target.exists():
            return target
        temporary = target.with_suffix(".tmp")
        with temporary.open("wb") as file:
            _write(file, frontend)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
        for other in cache.glob(f"{_folder_id(frontend)}-*"):
            if other != target:
                other.unlink()  # workers that have it mapped keep it
        return target
    finally:
        os.close(lock)


def _write(file: BinaryIO, frontend: Path) -> None:
    file.write(bytes(_HEADER.size))
    records = []
    compressors = _compressors()
    for name, path in _files(frontend):
        status = path.stat()
        places = [0] * 2 * len(CODINGS)
        is_packed = path.suffix not in _LEFT_TO_APP
        if is_packed:
            content = path.read_bytes()
            bodies = {IDENTITY: content}
            if path.suffix in _COMPRESSIBLE and len(content) >= _LEAST_COMPRESSED:
                bodies |= {coding: compress(content) for coding, compress in compressors.items()}
            for position, coding in enumerate(CODINGS):
                body = bodies.get(coding)
                if body is not None and (coding == IDENTITY or len(body) < len(content)):
                    places[2 * position : 2 * position + 2] = file.tell(), len(body)
                    file.write(body)
        etag = _etag(status).encode()
        records.append(_RECORD.pack(_key(name), etag, int(status.st_mtime), is_packed, *places))
    start = file.tell()
    file.write(b"".join(sorted(records)))
    file.seek(0)
    file.write(_HEADER.pack(_MAGIC, start, len(records)))


def _compressors() -> dict[str, Callable[[bytes], bytes]]:
    """Compressors that are installed. Open WebUI brings brotli and zstandard, which starlette-compress needs."""
    found: dict[str, Callable[[bytes], bytes]] = {GZIP: lambda content: gzip.compress(content, _GZIP_LEVEL, mtime=0)}
    try:
        brotli = importlib.import_module("brotli")
        found[BROTLI] = lambda content: brotli.compress(content, quality=_BROTLI_QUALITY)
    except ImportError:
        pass
    try:
        zstandard = importlib.import_module("zstandard")
        found[ZSTD] = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress
    except ImportError:
        pass
    return found


def _files(frontend: Path) -> list[tuple[str, Path]]:
    """Path in the page and path on disk of each file, sorted."""
    root = frontend / PREFIX.strip("/")
    found = []
    for folder, _, names in os.walk(root, onerror=_raise):
        for name in names:
            path = Path(folder, name)
            # The app follows only links within its folder: it answers for links itself.
            if path.is_file() and not path.is_symlink():
                found.append((PREFIX + path.relative_to(root).as_posix(), path))
    return sorted(found)


def _raise(error: OSError) -> None:
    raise error


def _etag(status: os.stat_result) -> str:
    """As starlette.responses.FileResponse.set_stat_headers (1.10), so that a browser sees one and the same file."""
    base = f"{status.st_mtime}-{status.st_size}"
    return hashlib.md5(base.encode(), usedforsecurity=False).hexdigest()


def _key(path: str) -> bytes:
    return hashlib.sha256(path.encode("utf-8", "surrogatepass")).digest()[:_KEY_BYTES]


def _folder_id(frontend: Path) -> str:
    return hashlib.sha256(str(frontend).encode()).hexdigest()[:8]


def main(frontend: str, cache: str) -> None:
    """Make the pack in a process beside the import of the app, which ends with its parent."""
    end_with_parent(signal.SIGTERM)
    os.nice(5)  # everybody waits for the import, not for this
    make_pack(Path(frontend), Path(cache))


if __name__ == "__main__":
    main(*sys.argv[1:])
