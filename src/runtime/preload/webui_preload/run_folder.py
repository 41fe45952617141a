"""The private folder of an installation: control socket, locks, static files. This module runs on Windows too."""

import os
from pathlib import Path


def make_run_folder(folder: Path) -> None:
    """Make ``folder``, for this user alone. Raises PermissionError where it belongs to another user."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name == "nt":
        return  # a folder below the user's own has the user's own permissions
    # A link in /tmp that somebody else made leads where that somebody likes.
    for status in (folder.lstat(), folder.stat()):
        if status.st_uid != os.geteuid():
            raise PermissionError(f"{folder} belongs to user {status.st_uid}, this process is {os.geteuid()}")
    if status.st_mode & 0o077:
        folder.chmod(0o700)
