"""Compiles the packages of this environment on all cores, but for those that Open WebUI seldom needs.

A file that is not valid Python is left out, as by pip: some packages carry such files for tests.
"""

import compileall
import re
import sysconfig

# 205 of the 451 MB that all of it has compiled (Open WebUI 0.12.4); its start imports 1 MB of that. The rest is
# compiled when it is imported.
SELDOM = re.compile(
    r"/site-packages/(?:kubernetes|networkx|sympy/physics|torch/_inductor|torch/testing|transformers/models|(?:.*/)?tests?)/"
)


def main() -> None:
    for folder in sorted({sysconfig.get_path(name) for name in ("purelib", "platlib")}):
        compileall.compile_dir(folder, quiet=2, workers=0, rx=SELDOM)


# Its processes may import this file again.
if __name__ == "__main__":
    main()
