/** The one folder that everything scratch lives in, and how nothing of it stays behind. */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Scope } from '../../base/io/scope.ts';
import { killAll } from '../../base/io/started.ts';
import { statOrUndefined } from '../../base/io/stat.ts';
import { isAlive, readProcess } from '../../base/machine/process-table.ts';
import { processesIn, processesWith } from '../../base/machine/processes.ts';

/** Short, because UNIX sockets below it have 107 bytes. */
const PREFIX = 'webui-tune-scratch-';

/** File in it that names its owner's process. */
const OWNER = 'owner.json';

export interface ScratchFolder {
  path: string;
  /** What all programs of ours are started with: their temporary files stay in it, and they are found by it. */
  env: Readonly<Record<string, string>>;
}

/**
 * A new one below the system's folder for temporary files. It ends with the scope, with every process that was started
 * with its `env`. Those of former owners that died without ending theirs are ended first.
 */
export async function makeScratchFolder(scope: Scope): Promise<ScratchFolder> {
  for (const path of abandoned()) await sweep(path);
  const path = mkdtempSync(join(tmpdir(), PREFIX));
  scope.defer(path, () => sweep(path));
  const { startTime = '' } = readProcess(process.pid) ?? {};
  writeFileSync(join(path, OWNER), JSON.stringify({ pid: process.pid, startTime }), { mode: 0o600 });
  // Another account runs PostgreSQL where we are root: it has to get in.
  if (process.getuid?.() === 0) chmodSync(path, 0o711);
  return { path, env: { TMPDIR: path } };
}

/**
 * Ends everything that has the folder in its environment or works in it, also what starts meanwhile; then removes the
 * folder.
 */
async function sweep(path: string): Promise<void> {
  const find = () =>
    [...processesWith('/', path), ...processesIn('/', path)].flatMap(({ pid }) =>
      pid === process.pid ? [] : (readProcess(pid) ?? []),
    );
  for (let left = find(); left.length > 0; left = find()) await killAll(left);
  rmSync(path, { recursive: true, force: true, maxRetries: 3 });
}

/** Those of ours whose owner is dead. */
function abandoned(): string[] {
  return readdirSync(tmpdir())
    .filter((name) => name.startsWith(PREFIX))
    .map((name) => join(tmpdir(), name))
    .filter((path) => {
      const stat = statOrUndefined(path);
      return stat?.isDirectory() === true && stat.uid === process.getuid?.() && !hasOwner(path);
    });
}

function hasOwner(path: string): boolean {
  try {
    const { pid, startTime } = JSON.parse(readFileSync(join(path, OWNER), 'utf8')) as {
      pid: number;
      startTime: string;
    };
    return isAlive({ pid, startTime });
  } catch {
    return true; // it is about to be written, or not ours
  }
}
