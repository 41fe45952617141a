"""Which patch versions of this Python a folder of wheels does for, as JSON. argv: the folder.

"oldest" is the first one that no wheel refuses. "missing" are requirements that only some from there on have:
a machine with 3.11.2 may want a package that one with 3.11.7 does not.
"""

import json
import sys
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from re import fullmatch

from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.specifiers import SpecifierSet

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
# More than any minor version ever had.
PATCHES = [f"{MINOR}.{patch}" for patch in range(100)]


def metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if fullmatch(r"[^/]+\.dist-info/METADATA", name)]
        return HeaderParser().parsestr(archive.read(name).decode())


def oldest_for(headers: list[Message]) -> str:
    wanted = [SpecifierSet(str(every["Requires-Python"])) for every in headers if every["Requires-Python"]]
    return next(patch for patch in PATCHES if all(one.contains(patch, prereleases=True) for one in wanted))


def missing_for(headers: Message, patches: list[str]) -> Iterator[str]:
    for line in headers.get_all("Requires-Dist", []):
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or "python_full_version" not in str(marker):
            continue
        # What an extra needs is left out, here as on the other machine.
        here = marker.evaluate({"extra": ""})
        if not here and any(marker.evaluate({"extra": "", "python_full_version": patch}) for patch in patches):
            requirement.marker = None
            yield str(requirement)


if __name__ == "__main__":
    wheels = [metadata_of(wheel) for wheel in Path(sys.argv[1]).glob("*.whl")]
    # Those of another Python beside them do not count.
    here = sys.version.split()[0]
    wheels = [one for one in wheels if SpecifierSet(str(one["Requires-Python"] or "")).contains(here)]
    oldest = oldest_for(wheels)
    later = PATCHES[PATCHES.index(oldest) :]
    missing = {line for headers in wheels for line in missing_for(headers, later)}
    print(json.dumps({"oldest": oldest, "missing": sorted(missing)}))
