import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Environment } from '../../base/io/environment.ts';
import { findOnPath, isExecutable } from '../../base/io/path.ts';
import { runProgram, tailOf } from '../../base/io/run.ts';
import { makePrivateFolder } from '../../base/io/write.ts';
import { anyPythons } from './base-python.ts';
import { type PipOptions, runPip } from './pip.ts';
import { PYTHON_FOLDER, type Wheels } from './wheels.ts';

/* A Python of our own, where the machine has none that Open WebUI runs on. */

/** The version that is brought: the newest that Open WebUI runs on. */
const OWN_VERSION = '3.12';

export interface OwnPythonOptions {
  /** Folder of all that `up` makes. */
  folder: string;
  /** Of uv: proxies, mirrors and UV_* reach it. */
  env: Environment;
  /** pip, for uv. */
  pip: PipOptions;
  progress: (text: string) => void;
  wheels?: Wheels | undefined;
  /** 3.11 or 3.12. */
  version?: string | undefined;
}

/**
 * A Python below our folder: one of an earlier run, the archive that came with the wheels, or one that uv gets. Nothing
 * outside of the folder changes. `tried` gets what did not help, for people. Undefined: there is none to be had.
 */
export async function bringPython(options: OwnPythonOptions, tried: string[]): Promise<string | undefined> {
  const { folder, version = OWN_VERSION, wheels, progress } = options;
  const home = join(folder, 'python');
  const there = await findIn(home, version, options.env);
  if (there !== undefined) return there;
  if (wheels) {
    const unpacked = await unpackArchive(wheels, home, options, tried);
    if (unpacked) return findIn(home, version, options.env);
  }
  const uv = await findUv(options, tried);
  if (uv === undefined) return undefined;
  progress(`Python ${version}, with ${uv}`);
  const { ok, output } = await uvInstall(uv, home, options);
  if (!ok) tried.push(`${uv} python install ${version}: ${tailOf(output, 6)}`);
  return ok ? findIn(home, version, options.env) : undefined;
}

/** Lets uv put a Python into `home`, and neither a command on PATH nor a word into the shell's files. */
export async function uvInstall(
  uv: string,
  home: string,
  { env, version = OWN_VERSION, folder }: Pick<OwnPythonOptions, 'env' | 'version' | 'folder'>,
): Promise<{ ok: boolean; output: string }> {
  makePrivateFolder(folder);
  const quiet = {
    UV_PYTHON_INSTALL_BIN: '0',
    UV_PYTHON_INSTALL_REGISTRY: '0',
    UV_NO_PROGRESS: '1',
    // What it keeps for itself goes with our folder.
    UV_CACHE_DIR: env.UV_CACHE_DIR || join(folder, 'uv-cache'),
  };
  const words = ['python', 'install', version, '--install-dir', home];
  // Its own settings may be in a project's files: ours is not in one.
  const run = runProgram(uv, words, { env: { ...env, ...quiet }, cwd: folder, umask: 0o022 });
  const { code, output } = await run.catch((error: unknown) => ({ code: null, output: String(error) }));
  return { ok: code === 0, output };
}

/** The interpreter below `home` that runs. uv renames a whole installation into place, and so do we. */
async function findIn(home: string, version: string, env: Environment): Promise<string | undefined> {
  const names = namesIn(home).filter((name) => !name.startsWith('.') && !name.endsWith('.unfinished'));
  for (const name of names) {
    const python = join(home, name, 'bin', `python${version}`);
    if (!isExecutable(python)) continue;
    const result = await runProgram(python, ['-c', 'import venv, ensurepip'], { env }).catch(() => undefined);
    if (result?.code === 0) return python;
  }
  return undefined;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

/** uv puts a part of its hash before the name that python-build-standalone gives it. */
export function isArchiveOf(name: string, version: string): boolean {
  return /^[^.]*cpython-/.test(name) && name.includes(`cpython-${version}.`) && name.endsWith('.tar.gz');
}

/** uv’s archives hold one folder, `python`. Its size was checked with those of the wheels. */
async function unpackArchive(
  { folder }: Wheels,
  home: string,
  { folder: ours, env, version = OWN_VERSION, progress }: OwnPythonOptions,
  tried: string[],
): Promise<boolean> {
  const archives = namesIn(join(folder, PYTHON_FOLDER));
  const archive = archives.find((name) => isArchiveOf(name, version));
  if (archive === undefined) {
    tried.push(`${join(folder, PYTHON_FOLDER)} has no archive of Python ${version}`);
    return false;
  }
  progress(`unpacking ${archive}`);
  makePrivateFolder(ours);
  const unfinished = join(home, 'bundled.unfinished');
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  const words = ['-xzf', join(folder, PYTHON_FOLDER, archive), '-C', unfinished, '--strip-components=1'];
  const run = runProgram('tar', words, { env, umask: 0o022 });
  const { code, output } = await run.catch((error: unknown) => ({ code: null, output: String(error) }));
  if (code === 0) {
    rmSync(join(home, 'bundled'), { recursive: true, force: true });
    renameSync(unfinished, join(home, 'bundled'));
    return true;
  }
  rmSync(unfinished, { recursive: true, force: true });
  tried.push(`tar, of ${archive}: ${tailOf(output, 6)}`);
  return false;
}

/** The uv on PATH, ours, or one that pip brings. */
async function findUv(options: OwnPythonOptions, tried: string[]): Promise<string | undefined> {
  const { folder, env, progress } = options;
  const onPath = findOnPath('uv', env.PATH);
  if (onPath !== undefined) return onPath;
  const home = join(folder, 'uv');
  const uv = join(home, 'bin', 'uv');
  if (isExecutable(uv)) return uv;
  const pythons = await anyPythons(env);
  if (pythons.length === 0)
    tried.push('uv: it is not on PATH, and there is no Python whose pip could bring it');
  for (const { path, version } of pythons) {
    progress(`uv, with ${path}`);
    makePrivateFolder(folder);
    const unfinished = `${home}.unfinished`;
    rmSync(unfinished, { recursive: true, force: true });
    try {
      const pip = await pipOf(path, options);
      await runPip(path, ['install', '--target', unfinished, 'uv'], { ...options.pip, ...pip });
      rmSync(home, { recursive: true, force: true });
      renameSync(unfinished, home);
      return uv;
    } catch (error) {
      rmSync(unfinished, { recursive: true, force: true });
      tried.push(`uv, with pip of ${path} (${version}): ${error instanceof Error ? error.message : error}`);
    }
  }
  return undefined;
}

/** What a Python runs as pip: its own, the wheel in the folder, or the one in its ensurepip. */
async function pipOf(
  python: string,
  { env, wheels, folder }: OwnPythonOptions,
): Promise<Pick<PipOptions, 'program'>> {
  const { code } = await runProgram(python, ['-m', 'pip', '--version'], { env });
  if (code === 0) return {};
  const wheel = wheels && namesIn(wheels.folder).findLast((name) => /^pip-.*\.whl$/.test(name));
  // A wheel is a zip file, which Python runs as it is.
  if (wheels && wheel !== undefined) return { program: [join(wheels.folder, wheel, 'pip')] };
  const bundle = join(folder, 'pip');
  const words = ['-m', 'venv', '--clear', bundle];
  const made = await runProgram(python, words, { env });
  if (made.code !== 0) throw new Error(`it has no pip, and venv fails: ${tailOf(made.output, 3)}`);
  const packages = join(bundle, 'lib');
  const [name = ''] = namesIn(packages);
  return { program: [join(packages, name, 'site-packages', 'pip')] };
}
