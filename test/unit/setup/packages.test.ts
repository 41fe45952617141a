/** What an upgrade does to Python's packages, on a virtual environment and two wheels of a few bytes. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { applyPackages } from '../../../src/setup/upgrade/packages.ts';
import { openWebuiEnvironment } from '../../kit/environment.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

const PACK = `
import sys, zipfile
folder, version, names = sys.argv[1], sys.argv[2], sys.argv[3:]
about = f"open_webui-{version}.dist-info"
files = {f"open_webui/{name}": "" for name in ["__init__.py", *names]}
files[f"{about}/METADATA"] = f"Metadata-Version: 2.1\\nName: open-webui\\nVersion: {version}\\n"
files[f"{about}/WHEEL"] = "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
with zipfile.ZipFile(f"{folder}/open_webui-{version}-py3-none-any.whl", "w") as wheel:
    for name, text in files.items():
        wheel.writestr(name, text)
    record = f"{about}/RECORD"
    wheel.writestr(record, "".join(f"{name},,\\n" for name in [*files, record]))
`;

it('leaves no migration of the new version behind, though pip was killed before it listed its files', {
  timeout: 180_000,
}, async () => {
  const folder = temporaryFolder();
  const venv = join(folder, 'venv');
  mkdirSync(join(folder, 'wheels'));
  const cached = openWebuiEnvironment().python;
  const pack = (...args: string[]) => execFileSync(cached, ['-c', PACK, join(folder, 'wheels'), ...args]);
  pack('1.0.0', 'old.py');
  pack('2.0.0', 'new.py', 'migrations/new.py');
  execFileSync(cached, ['-m', 'venv', venv]);
  const python = join(venv, 'bin', 'python');
  const packages = { python, folder, env: { PATH: process.env.PATH } };
  const change = { name: 'open-webui', from: '1.0.0', to: '2.0.0' };
  await applyPackages(packages, [change], 'back');
  const site = execFileSync(python, ['-c', 'import site; print(site.getsitepackages()[0])'], {
    encoding: 'utf8',
  });
  const at = (...names: string[]) => join(site.trim(), 'open_webui', ...names);
  mkdirSync(at('migrations'));
  mkdirSync(at('data'));
  for (const name of ['new.py', 'migrations/new.py', 'data/theirs.py']) writeFileSync(at(name), '');
  await applyPackages(packages, [change], 'back');
  expect(
    ['old.py', 'new.py', 'migrations/new.py', 'data/theirs.py'].map((name) => existsSync(at(name))),
  ).toEqual([true, false, false, true]);
});
