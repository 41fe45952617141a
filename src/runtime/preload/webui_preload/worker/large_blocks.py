"""Gives memory back that was used once.

By default, glibc gives a large block back as soon as it is free, until the first is: from then on, blocks of that
size (up to 32 MiB) come from the heap, of which only the free end can be given back (mallopt(3), M_MMAP_THRESHOLD).
Preloading frees many. So the text of a large document, which a worker reads for each question about its status, would
leave its size in the heap several times over.
"""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h

#: Bytes. Each block takes a call of the kernel and fresh pages: some 0.1 ms for one of this size.
LARGE = 256 * 1024

#: Bytes of the heap's free end that are kept.
KEPT = 1024 * 1024


def give_large_blocks_back() -> bool:
    """For the rest of this process; False where its C library has no such choice (musl)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    return mallopt is not None and all(
        mallopt(which, size) == 1 for which, size in ((_M_MMAP_THRESHOLD, LARGE), (_M_TRIM_THRESHOLD, KEPT))
    )
