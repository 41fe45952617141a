/** What an upgrade does to Python's packages, on a virtual environment and two wheels of a few bytes. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../src/base/io/temp.ts';
import {
  copyEnvironment,
  exchangeEnvironments,
  finishEnvironment,
  madePython,
  removeBeside,
  replaceableEnvironment,
} from '../../../src/setup/upgrade/environment.ts';
import { applyPackages, installPackages } from '../../../src/setup/upgrade/packages.ts';
import { openWebuiEnvironment } from '../../kit/environment.ts';
import { useScope } from '../../kit/vitest.ts';

const PACK = `
import sys, zipfile
folder, version, names = sys.argv[1], sys.argv[2], sys.argv[3:]
about = f"open_webui-{version}.dist-info"
files = {f"open_webui/{name}": "" for name in ["__init__.py", *names]}
files[f"{about}/METADATA"] = f"Metadata-Version: 2.1\\nName: open-webui\\nVersion: {version}\\n"
files[f"{about}/entry_points.txt"] = "[console_scripts]\\nopen-webui = open_webui:main\\n"
files["open_webui/__init__.py"] = f"def main(): print({version!r})"
files[f"{about}/WHEEL"] = "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
with zipfile.ZipFile(f"{folder}/open_webui-{version}-py3-none-any.whl", "w") as wheel:
    for name, text in files.items():
        wheel.writestr(name, text)
    record = f"{about}/RECORD"
    wheel.writestr(record, "".join(f"{name},,\\n" for name in [*files, record]))
`;

const scope = useScope();
let folder: string;
let venv: string;
let python: string;
const cached = openWebuiEnvironment().python;
const change = { name: 'open-webui', from: '1.0.0', to: '2.0.0' };
const env = { PATH: process.env.PATH };

beforeAll(async () => {
  folder = await temporaryFolder(scope, 'packages');
  venv = join(folder, 'venv');
  python = join(venv, 'bin', 'python');
  mkdirSync(join(folder, 'wheels'));
  const pack = (...args: string[]) => execFileSync(cached, ['-c', PACK, join(folder, 'wheels'), ...args]);
  pack('1.0.0', 'old.py');
  pack('2.0.0', 'new.py', 'migrations/new.py');
  execFileSync(cached, ['-m', 'venv', venv]);
}, 180_000);

it('leaves no migration of the new version behind, though pip was killed before it listed its files', {
  timeout: 180_000,
}, async () => {
  const packages = { python, folder, env };
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

describe('an environment that is replaced', () => {
  /** What its own program says, by the path that everybody knows. */
  const version = () =>
    execFileSync(join(venv, 'bin', 'open-webui'), { encoding: 'utf8', env: { HOME: folder } }).trim();
  const beside = () => [existsSync(`${venv}.webui-tune-new`), existsSync(`${venv}.webui-tune-old`)];

  beforeAll(async () => {
    await applyPackages({ python, folder, env }, [change], 'back');
  }, 180_000);

  it('is one that is a folder of its own, with no data in it', () => {
    expect(replaceableEnvironment(python, [folder])).toBe(venv);
    expect(replaceableEnvironment(python, [join(venv, 'data', 'not-yet')])).toBe(undefined);
    // The interpreter that the environment was made with is in none.
    expect(
      replaceableEnvironment(
        execFileSync(python, ['-c', 'import sys; print(sys._base_executable)'], { encoding: 'utf8' }).trim(),
        [],
      ),
    ).toBe(undefined);
    symlinkSync(venv, join(folder, 'current'));
    expect(replaceableEnvironment(join(folder, 'current', 'bin', 'python'), [])).toBe(venv);
  });

  it('is upgraded beside the one that serves, and goes back by a change of names', {
    timeout: 180_000,
  }, async () => {
    const made = {
      python: madePython(venv, python),
      folder,
      env: { ...env, PIP_NO_INDEX: '1', PIP_FIND_LINKS: join(folder, 'wheels') },
    };
    await copyEnvironment(venv, python, env);
    const config = (of: string) => statSync(join(of, 'pyvenv.cfg'));
    expect(config(`${venv}.webui-tune-new`).ino).toBe(config(venv).ino);
    await installPackages(made, [change]);
    await finishEnvironment(venv, python, env);
    expect(version()).toBe('1.0.0');
    exchangeEnvironments(venv, 'forward');
    expect([version(), ...beside()]).toEqual(['2.0.0', false, true]);
    expect(readFileSync(join(venv, 'bin', 'open-webui'), 'utf8')).not.toContain('.webui-tune-new');
    exchangeEnvironments(venv, 'back');
    expect([version(), ...beside()]).toEqual(['1.0.0', true, false]);
    removeBeside(venv);
    expect([version(), ...beside()]).toEqual(['1.0.0', false, false]);
  });

  it.each(['forward', 'back'] as const)(
    'is whole again where it was killed between two names, %s',
    async (direction) => {
      // The one that comes stands beside; the other one has lost its name.
      const goes = direction === 'forward' ? 'new' : 'old';
      await copyEnvironment(venv, python, env);
      if (direction === 'back') exchangeEnvironments(venv, 'forward');
      execFileSync('mv', [venv, `${venv}.webui-tune-${goes === 'new' ? 'old' : 'new'}`]);
      expect(() => removeBeside(venv)).toThrow('is not there');
      exchangeEnvironments(venv, direction);
      exchangeEnvironments(venv, direction);
      expect([version(), ...beside()]).toEqual(['1.0.0', direction === 'back', direction === 'forward']);
      removeBeside(venv);
      expect([version(), ...beside()]).toEqual(['1.0.0', false, false]);
    },
  );

  it('is copied where files cannot be linked', async () => {
    // A cp that knows no links.
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    writeFileSync(
      join(bin, 'cp'),
      '#!/bin/sh\nfor word; do [ "$word" != -l ] || exit 1; done\nexec /bin/cp "$@"\n',
      { mode: 0o755 },
    );
    await copyEnvironment(venv, python, { PATH: `${bin}:${process.env.PATH}` });
    expect(statSync(join(`${venv}.webui-tune-new`, 'pyvenv.cfg')).ino).not.toBe(
      statSync(join(venv, 'pyvenv.cfg')).ino,
    );
    removeBeside(venv);
  });
});
