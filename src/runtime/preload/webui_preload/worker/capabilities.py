"""Gives up a right in each worker: systemd lets the preload process bind ports below 1024 (capabilities(7))."""

import ctypes
import os
import sys

#: linux/prctl.h, linux/capability.h.
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_CAPABILITY_VERSION_3 = 0x20080522

#: 32-bit words of the three sets, of 64 bits each.
_WORDS = 6


def drop_capabilities() -> bool:
    """Give all of them up, in the calling thread, which is to be the only one; False where that was refused.

    A process that may do more than its reader is not to be read (ptrace(2), PTRACE_MODE_READ): its supervisor could
    not see its memory, and so not keep its limit. Root keeps them: without, it could not enter the files of others.
    """
    if sys.platform != "linux" or os.geteuid() == 0:
        return True
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    none = (ctypes.c_uint32 * _WORDS)()
    return not libc.capset((ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), none)
