import { readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { textOrUndefined } from '../../base/io/read.ts';
import { environment } from '../../base/machine/process-table.ts';
import type { Settings } from '../../facts/types.ts';
import type { Holder } from './old-server.ts';
import type { Source } from './source.ts';

/** File in which `open-webui serve` saves the key that it has drawn, in the folder where it was started. */
const KEY_FILE = '.webui_secret_key';

/** The key with which the old server signs in and encrypts. */
export interface OldKey {
  value: string;
  /** In words. */
  where: string;
}

/** What is known of the old server. */
interface Known {
  source: Source;
  /** What has its database open. */
  holders: readonly Pick<Holder, 'pid'>[];
  settings: Settings;
  /** Whether it runs, or was run, with these settings: then nothing else counts. */
  hasOurSettings: boolean;
  cwd: string;
}

/**
 * Finds the key of the old server: what it runs with, else what it has left where it was started or beside its data, else
 * what the installation has set. Undefined: nobody knows it.
 */
export function findOldKey({ source, holders, settings, hasOurSettings, cwd }: Known): OldKey | undefined {
  const value = settings.get('WEBUI_SECRET_KEY')?.value;
  const set = value ? { value, where: 'WEBUI_SECRET_KEY, as set' } : undefined;
  const { dataDir } = source;
  return (
    (hasOurSettings ? set : undefined) ??
    first(holders, ({ pid }) => ofProcess(pid)) ??
    first([dataDir, dirname(dataDir), cwd], ofFolder) ??
    set
  );
}

function first<T, R>(items: readonly T[], find: (item: T) => R | undefined): R | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

function ofProcess(pid: number): OldKey | undefined {
  const prefix = 'WEBUI_SECRET_KEY=';
  const entry = environment(pid).find((text) => text.startsWith(prefix) && text.length > prefix.length);
  if (entry !== undefined) {
    return { value: entry.slice(prefix.length), where: `the environment of process ${pid}` };
  }
  try {
    // Its own root: it may be a container’s.
    return ofFolder(join(`/proc/${pid}/root`, readlinkSync(`/proc/${pid}/cwd`)));
  } catch {
    return undefined; // another user's
  }
}

function ofFolder(folder: string): OldKey | undefined {
  const path = join(folder, KEY_FILE);
  // Unchanged, as Open WebUI reads it: a trailing newline is part of the key.
  const value = textOrUndefined(path);
  return value ? { value, where: path } : undefined;
}
