import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { EXIT, TuneError } from '../errors.ts';
import { runProgram, tailOf } from '../io/run.ts';
import type { Environment } from '../types.ts';

/** What pip says when it does not reach its index; it ends with "No matching distribution" then. */
const NETWORK =
  /Temporary failure in name resolution|Name or service not known|NewConnectionError|ConnectionResetError|Connection (?:refused|broken|aborted)|Read timed out|ConnectTimeout|IncompleteRead|Network is unreachable|ProxyError|getaddrinfo/i;
const NO_ROOM = /No space left on device|Errno 28/i;
const NO_PACKAGE = /No matching distribution found for (\S+)/;
const WRONG_HASH = /DO NOT MATCH THE HASHES/;

/**
 * Runs `python -m pip install`, telling what it downloads. Its whole output goes to `log`. What was downloaded stays in
 * pip's cache, so that the next attempt goes on from there. Throws TuneError.
 */
export async function pipInstallPackages(
  python: string,
  args: readonly string[],
  { env, log, progress }: { env: Environment; log: string; progress: (text: string) => void },
): Promise<void> {
  mkdirSync(dirname(log), { recursive: true });
  writeFileSync(log, '', { mode: 0o600 });
  const { code, output } = await runProgram(
    python,
    ['-m', 'pip', 'install', '--no-input', '--disable-pip-version-check', '--progress-bar', 'off', ...args],
    {
      env,
      onLine: (line) => {
        appendFileSync(log, `${line}\n`);
        const told = progressOf(line);
        if (told !== undefined) progress(told);
      },
    },
  );
  if (code !== 0) throw explainPip(output, log);
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
    return new TuneError(
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
  return new TuneError(`pip failed:\n${tailOf(output)}`, EXIT.service, [`its log: ${log}`]);
}
