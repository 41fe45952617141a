"""What wheels need on other patch versions of this Python, one requirement a line. argv: their folder.

A machine with 3.11.2 wants async-timeout where one with 3.11.7 does not: a folder that was filled on one must do for
the other.
"""

import sys
import zipfile
from email.parser import HeaderParser
from pathlib import Path
from re import fullmatch

from pip._vendor.packaging.requirements import Requirement

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
# Before the first and after the last of them.
PATCHES = (f"{MINOR}.0", f"{MINOR}.99")


def metadata_of(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if fullmatch(r"[^/]+\.dist-info/METADATA", name)]
        return archive.read(name).decode()


def needs(wheel: Path) -> set[str]:
    headers = HeaderParser().parsestr(metadata_of(wheel))
    found = set()
    for line in headers.get_all("Requires-Dist", []):
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or "python_full_version" not in str(marker):
            continue
        # Of an extra that nobody asks for it is not needed here either: that is left to the packages that are.
        here = marker.evaluate({"extra": ""})
        if not here and any(marker.evaluate({"extra": "", "python_full_version": patch}) for patch in PATCHES):
            requirement.marker = None
            found.add(str(requirement))
    return found


if __name__ == "__main__":
    every = {line for wheel in Path(sys.argv[1]).glob("*.whl") for line in needs(wheel)}
    print("\n".join(sorted(every)))
