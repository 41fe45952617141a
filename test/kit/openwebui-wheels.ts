/** Further versions of Open WebUI: the installed one, packed again with another number and a migration more. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Scope } from '../../src/base/io/scope.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { openWebuiEnvironment } from './environment.ts';

export interface Release {
  version: string;
  /** Body of the upgrade() of a further migration, which may use `op` and `sa`. Absent: there is none. */
  migration?: string;
  /** Further lines at the end of its main module. */
  main?: string;
}

/** A virtual environment that shares packages with the cached one, and has an Open WebUI of its own. */
export interface OwnEnvironment {
  python: string;
  /** With which pip finds the releases, and nothing else. */
  pipSettings: Record<string, string>;
}

/** Without most of the page's files: nobody looks at the page, and they are 240 of its 258 MB. */
const PACK = `
import re, sys, zipfile
from importlib.metadata import distribution
from pathlib import Path

folder, version, migration, main = Path(sys.argv[1]), *sys.argv[2:]
installed = distribution("open-webui")
about = f"open_webui-{version}.dist-info"
package = Path(installed.locate_file("open_webui"))

LEFT_OUT = {"data", "_app", "pyodide", "wasm", "assets"}

def head():
    texts = [path.read_text() for path in (package / "migrations" / "versions").glob("*.py")]
    ids = lambda name: {i for t in texts for line in re.findall(rf"^{name}\\b.*", t, re.M) for i in re.findall(r"'(\\w+)'", line)}
    [last] = ids("revision") - ids("down_revision")
    return last

with zipfile.ZipFile(folder / f"open_webui-{version}-py3-none-any.whl", "w") as wheel:
    names = []
    def add(name, text):
        wheel.writestr(name, text)
        names.append(name)
    for path in sorted(package.rglob("*")):
        name = path.relative_to(package.parent)
        if path.is_file() and not LEFT_OUT & {*name.parts[:3]} and "__pycache__" not in name.parts:
            add(str(name), path.read_bytes() + (main.encode() if str(name) == "open_webui/main.py" else b""))
    if migration:
        add("open_webui/migrations/versions/ffff_test.py", (
            "import sqlalchemy as sa\\nfrom alembic import op\\n"
            f"revision = 'ffff{version.replace('.', '')}'\\ndown_revision = {head()!r}\\n"
            "branch_labels = None\\ndepends_on = None\\n"
            f"def upgrade():\\n    {migration}\\n"
        ))
    metadata = installed.read_text("METADATA").replace(f"Version: {installed.version}\\n", f"Version: {version}\\n", 1)
    add(f"{about}/METADATA", metadata)
    add(f"{about}/WHEEL", installed.read_text("WHEEL"))
    record = f"{about}/RECORD"
    wheel.writestr(record, "".join(f"{name},,\\n" for name in [*names, record]))
`;

const LINK = `
import site, sys
from pathlib import Path
[packages] = site.getsitepackages([sys.argv[1]])
Path(packages, "cached.pth").write_text(site.getsitepackages()[0] + "\\n")
`;

/** Has the first of the releases installed. */
export async function makeOwnEnvironment(
  scope: Scope,
  releases: readonly Release[],
): Promise<OwnEnvironment> {
  const cached = openWebuiEnvironment().python;
  const { folder, python } = await makeSharingEnvironment(scope);
  const wheels = join(folder, 'wheels');
  await mkdir(wheels);
  await writeFile(join(folder, 'pack.py'), PACK);
  for (const { version, migration = '', main = '' } of releases) {
    await execa(cached, [join(folder, 'pack.py'), wheels, version, migration, main]);
  }
  const pipSettings = { PIP_NO_INDEX: '1', PIP_FIND_LINKS: wheels };
  // By force: pip sees the cached one, which it will not touch, for it lies outside of this environment.
  const requirement = `open-webui==${releases[0]?.version}`;
  await execa(python, ['-m', 'pip', 'install', '--quiet', '--no-deps', '--force-reinstall', requirement], {
    env: pipSettings,
  });
  return { python, pipSettings };
}

/** A virtual environment that has the packages of the cached one, and whatever is installed into it instead of some of them. */
export async function makeSharingEnvironment(scope: Scope): Promise<{ folder: string; python: string }> {
  const cached = openWebuiEnvironment().python;
  const folder = await temporaryFolder(scope, 'venv');
  const venv = join(folder, 'venv');
  await execa(cached, ['-m', 'venv', '--without-pip', venv]);
  await execa(cached, ['-c', LINK, venv]);
  return { folder, python: join(venv, 'bin', 'python') };
}
