import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { EXIT, type ExitCode, systemCode, TuneError } from '../base/errors.ts';
import { holdLock } from '../base/io/lock.ts';
import { startProgress } from '../base/io/progress.ts';
import type { Terminal } from '../base/io/terminal.ts';
import { minorOf } from '../setup/python/base-python.ts';
import { fillFolder } from '../setup/up/fetch-wheels.ts';
import { Setup } from '../setup/up/setup.ts';

export interface FetchOptions {
  python?: string;
  torchIndex?: string;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Two runs that write the same files would damage them. */
const LOCK = '.webui-tune-fetch.lock';

/** Fills a folder for `up --wheels`. Throws TuneError; finished downloads are kept. */
export async function fetchWheels(
  given: string,
  options: FetchOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const folder = resolve(given);
  makeFolder(folder);
  const work = mkdtempSync(join(tmpdir(), 'wt-fetch-'));
  const progress = startProgress(terminal);
  const clean = () => rmSync(work, { recursive: true, force: true });
  for (const signal of SIGNALS) {
    process.once(signal, () => {
      clean();
      process.kill(process.pid, signal);
    });
  }
  try {
    const setup = new Setup(options);
    const found = await holdLock(join(folder, LOCK), `another webui-tune fetch is writing to ${folder}`, () =>
      fillFolder(setup, { folder, work }, (text) => progress.tell({ step: 'fetch', text })),
    );
    const gigabytes = (found.bytes / 1e9).toFixed(1);
    progress.end();
    for (const line of found.without) terminal.err(`without ${line}\n`);
    terminal.err(
      `${found.files} files, ${gigabytes} GB, for ${process.platform} on ${process.arch} and Python ${found.python} or a later ${minorOf(found.python)}, torch ${found.torch}\n` +
        `on the other machine: webui-tune up --wheels ${given}, or npm start -- --wheels ${given} in a clone\n`,
    );
    terminal.out(`${folder}\n`);
    return EXIT.ok;
  } finally {
    progress.end();
    clean();
    for (const signal of SIGNALS) process.removeAllListeners(signal);
  }
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new TuneError(`${folder} cannot be created: ${systemCode(error) ?? error}`, EXIT.output);
  }
}
