"""Arranges the heap ahead of the forks.

A worker shares a page until it writes to it, and then has a copy of its own. So what is only looked at must not be
written to, and what is new must not come to lie between what is shared.
"""

import ctypes
import gc
import sys
from types import CodeType
from typing import Any

#: How often an object is referred to that Python 3.12 keeps for ever, without counting any more (PEP 683;
#: Include/object.h, _Py_IMMORTAL_REFCNT).
_KEPT_FOR_EVER = 0xFFFFFFFF

#: Objects whose referents are asked for together.
_GROUP = 512

#: They refer to nothing.
_LEAVES = (str, bytes, int, float)


def settle_heap(*, uncounted: bool) -> None:
    """Call it last, once per generation. ``uncounted``: whether references may go uncounted.

    In the end the heap is frozen. Otherwise a garbage collection in a child would write to every object, and so
    un-share nearly every page: gunicorn's preload grows from 1,181 to 1,837 MiB that way.
    """
    if uncounted:
        stop_counting()
    give_back_free_memory()
    fill_free_chunks()
    fill_free_blocks()
    gc.freeze()


def stop_counting() -> int:
    """Keep all objects for ever, if this Python can. Returns how many.

    Python counts the references to an object inside it: whoever calls a function writes to it, to its code and its
    constants. That made half of a worker's own memory (55 MiB, 28 without). What a worker would have freed of it
    stays, as nothing is gained by freeing what all others share.
    """
    counts = _counts()
    if counts is None:
        return 0
    found = gc.get_objects()
    kept = len(found)
    for one in found:
        counts[id(one) >> 2] = -1
        if type(one) is dict:  # it does not name its keys where all are text
            for key in one:
                counts[id(key) >> 2] = -1
    while found:
        following: list[Any] = []
        for start in range(0, len(found), _GROUP):
            for one in gc.get_referents(*found[start : start + _GROUP]):
                if counts[id(one) >> 2] == -1:
                    continue
                counts[id(one) >> 2] = -1
                kept += 1
                kind = type(one)
                if kind is CodeType:  # it does not name its referents
                    counts[id(one.co_consts) >> 2] = -1
                    following.append(one.co_consts)
                elif kind not in _LEAVES:
                    following.append(one)
        found = following
    return kept


def _counts() -> "ctypes.Array[ctypes.c_int32] | None":
    """All memory, as numbers of four bytes: that at an object's address counts its references, and -1 is for ever.

    None where this Python does not keep objects in this way.
    """
    if sys.getrefcount(None) != _KEPT_FOR_EVER or sys.byteorder != "little":
        return None
    memory = (ctypes.c_int32 * (1 << 46)).from_address(0)
    probe = object()
    before = memory[id(probe) >> 2]
    references = [probe] * 3
    return memory if memory[id(probe) >> 2] == before + len(references) else None


def give_back_free_memory() -> None:
    """Return the C library's free pages to the system. A child that used them would copy them."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's alone
    if trim:
        trim(0)


class _Mallinfo(ctypes.Structure):
    """struct mallinfo2 of malloc.h (glibc 2.33)."""

    _fields_ = [(f"field{number}", ctypes.c_size_t) for number in range(8)] + [
        ("fordblks", ctypes.c_size_t),
        ("keepcost", ctypes.c_size_t),
    ]


#: Bytes of the largest free chunk that is filled in one piece, and of the least that there is.
_LARGEST_CHUNK, _LEAST_CHUNK = 128 * 1024, 24


def fill_free_chunks() -> int:
    """Occupy the free chunks that the import left in the C library's heap, where more than 512 bytes come from.

    Returns how many were filled. What a worker allocates then comes from the heap's end, where nothing is shared.
    """
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallinfo2"):
        return 0
    libc.mallinfo2.restype = _Mallinfo
    libc.malloc.restype = libc.sbrk.restype = ctypes.c_void_p
    libc.malloc.argtypes, libc.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]
    libc.sbrk.argtypes = [ctypes.c_ssize_t]
    state = libc.mallinfo2()
    end, free = libc.sbrk(0) - state.keepcost, state.fordblks - state.keepcost
    filled, size = 0, _LARGEST_CHUNK
    while size >= _LEAST_CHUNK and free > 0:
        chunk = libc.malloc(size)
        if chunk and chunk < end:
            filled += 1
            free -= size
            continue
        libc.free(chunk)
        size -= 16
    return filled


#: Bytes of the largest object that pymalloc serves, the step between its size classes, and its pool
#: (Objects/obmalloc.c: SMALL_REQUEST_THRESHOLD, ALIGNMENT, POOL_SIZE; 3.10 and later).
_LARGEST_SMALL, _SIZE_STEP, _POOL = 512, 16, 16 * 1024
_BYTES_OVERHEAD = sys.getsizeof(b"")

#: What fill_free_blocks() made, which must not be freed.
_fillers: list[object] = []


def fill_free_blocks() -> None:
    """Occupy the free blocks that the import left between its objects.

    Python puts new objects first into pages that are partly in use. In a forked child those pages are shared, and one
    small object makes the kernel copy a whole page. Where no free block is left, a child's objects share pages of
    their own.
    """
    for size in range(_SIZE_STEP, _LARGEST_SMALL + 1, _SIZE_STEP):
        taken: dict[int, int] = {}
        pool = 0
        # A pool that gives nearly all of its blocks was a fresh one: all pools that were partly in use are full now.
        while taken.get(pool, 0) < 0.9 * _POOL / size:
            filler = _object_of(size)
            pool = id(filler) // _POOL
            taken[pool] = taken.get(pool, 0) + 1
            _fillers.append(filler)


def _object_of(size: int) -> object:
    """An object in a block of ``size`` bytes, which the garbage collector does not track."""
    if size == _SIZE_STEP:
        return object()
    if size == 2 * _SIZE_STEP:
        return 0.5 + id(size)  # a float: 24 bytes
    return bytes(size - _BYTES_OVERHEAD)
