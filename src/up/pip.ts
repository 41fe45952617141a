import { appendFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { requirementsText } from '../embedded/packages.ts';
import { EXIT, TuneError } from '../errors.ts';
import { runProgram, tailOf } from '../io/run.ts';
import type { Environment } from '../types.ts';

/**
 * What pip says when it does not reach its index; it ends with "No matching distribution" then, or, from 25.1 on, with
 * "incomplete-download" when it has gone on often enough.
 */
const NETWORK =
  /Temporary failure in name resolution|Name or service not known|NewConnectionError|ConnectionResetError|Connection (?:refused|broken|aborted)|Read timed out|ConnectTimeout|IncompleteRead|Network is unreachable|ProxyError|getaddrinfo|incomplete-download/i;
const NO_ROOM = /No space left on device|Errno 28/i;
const NO_PACKAGE = /No matching distribution found for (\S+)/;
const WRONG_HASH = /DO NOT MATCH THE HASHES/;

/** How often pip goes on where a download broke off. A variable, because a pip before 25.1 would refuse the option. */
const RESUME = { PIP_RESUME_RETRIES: '5' };

/**
 * Runs `python -m pip install`, telling what it downloads. Its whole output goes to `log`. What was downloaded stays in
 * pip's cache, so that the next attempt goes on from there. Returns the milliseconds that it took. Throws TuneError.
 */
export async function pipInstallPackages(
  python: string,
  args: readonly string[],
  { env, log, progress, tellsProgress = false }: PipOptions,
): Promise<number> {
  const started = performance.now();
  mkdirSync(dirname(log), { recursive: true });
  writeFileSync(log, '', { mode: 0o600 });
  const bar = tellsProgress ? 'raw' : 'off';
  let at = '';
  const { code, output } = await runProgram(
    python,
    ['-m', 'pip', 'install', '--no-input', '--disable-pip-version-check', '--progress-bar', bar, ...args],
    {
      env: { ...RESUME, ...env },
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
    },
  );
  if (code === null) {
    throw new TuneError('pip was ended before it was done', EXIT.service, [
      'run webui-tune up again: what was downloaded is kept',
      `its log: ${log}`,
    ]);
  }
  if (code !== 0) throw explainPip(output, log);
  return performance.now() - started;
}

/** What was downloaded is not what was asked for, by its hash: nothing of it is installed. */
export class WrongPackage extends TuneError {}

/** For packages that are pinned: these wheels, and nothing else. */
export const ONLY_PINNED = ['--no-deps', '--only-binary', ':all:', '--require-hashes'];

export interface PipOptions {
  env: Environment;
  /** Gets pip's whole output. */
  log: string;
  progress: (text: string) => void;
  /** Whether it is a pip of 24.1 or newer, which says how far a download is. */
  tellsProgress?: boolean;
}

/** For people: how much of a step's time was pip's own. */
export function pipTook(ms: number): string {
  return `pip took ${(ms / 1000).toFixed(1)} s`;
}

/**
 * Unpacks PostgreSQL with pgvector and Valkey into `folder`, which is there complete or not at all; beside it, for pip, a
 * list of both. Returns pip's milliseconds. Throws TuneError.
 */
export async function installServices(folder: string, python: string, options: PipOptions): Promise<number> {
  const unfinished = `${folder}.unfinished`;
  const list = join(dirname(folder), 'requirements.txt');
  rmSync(unfinished, { recursive: true, force: true });
  writeFileSync(list, requirementsText());
  const args = ['--target', unfinished, ...ONLY_PINNED, '-r', list];
  const took = await pipInstallPackages(python, args, options);
  renameSync(unfinished, folder);
  return took;
}

/** What is worth telling of a line of pip's; undefined: nothing. */
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

/** What went wrong, and what to do. */
export function explainPip(output: string, log: string): TuneError {
  const again = 'then run webui-tune up again: what was downloaded is kept';
  if (NO_ROOM.test(output)) {
    return new TuneError('pip found no room on the disk', EXIT.output, [
      `make room (also in the folder for temporary files, TMPDIR); ${again}`,
      `its log: ${log}`,
    ]);
  }
  if (NETWORK.test(output)) {
    return new TuneError('pip did not reach its package index, or lost it on the way', EXIT.service, [
      `look at the network, the proxy (HTTPS_PROXY) or pip’s index (pip config list); ${again}`,
      ...(output.includes('download.pytorch.org')
        ? [
            'torch comes from download.pytorch.org: --torch-index URL names a mirror of it, --torch-index default pip’s own index',
          ]
        : []),
      `its log: ${log}`,
    ]);
  }
  if (WRONG_HASH.test(output)) {
    return new WrongPackage(
      'pip got a package that is not the one that was tested: its hash differs',
      EXIT.service,
      [
        `look at where pip’s packages come from (pip config list); nothing of it was installed; its log: ${log}`,
      ],
    );
  }
  const missing = NO_PACKAGE.exec(output)?.[1];
  if (missing !== undefined) {
    return new TuneError(
      `there is no ${missing} for this system (${process.platform}, ${process.arch}) and Python`,
      EXIT.service,
      [`its log: ${log}`],
    );
  }
  const telling = output.replaceAll(/^Progress \d+ of \d+\n/gm, '');
  return new TuneError(`pip failed:\n${tailOf(telling)}`, EXIT.service, [`its log: ${log}`]);
}
