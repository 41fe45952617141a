"""empty-fuse.py FOLDER - mounts there what the kernel calls fuse.sshfs, and answers that nothing is in it.

Ends with the process that started it (prctl(2), PR_SET_PDEATHSIG). For root, in a mount namespace of its own.
"""

import ctypes
import errno
import os
import signal
import struct
import sys

PR_SET_PDEATHSIG = 1
MS_NOSUID, MS_NODEV = 2, 4
#: Operations of the kernel's protocol (include/uapi/linux/fuse.h, version 7.31).
FORGET, INIT, BATCH_FORGET = 2, 26, 42
NO_ANSWER = (FORGET, BATCH_FORGET)
HEADER, ANSWER = struct.Struct("<IIQQIIII"), struct.Struct("<IiQ")
INIT_ANSWER = struct.pack("<IIIIHHIIHHI28x", 7, 31, 0, 0, 12, 10, 4096, 1, 1, 0, 0)

libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
if libc.mount(b"another.example.org:/srv", sys.argv[1].encode(), b"fuse.sshfs", MS_NOSUID | MS_NODEV, options):
    sys.exit(f"mount: {os.strerror(ctypes.get_errno())}")
while True:
    request = os.read(device, 1 << 17)
    _, operation, unique, *_ = HEADER.unpack_from(request)
    if operation == INIT:
        os.write(device, ANSWER.pack(ANSWER.size + len(INIT_ANSWER), 0, unique) + INIT_ANSWER)
    elif operation not in NO_ANSWER:
        os.write(device, ANSWER.pack(ANSWER.size, -errno.ENOENT, unique))
