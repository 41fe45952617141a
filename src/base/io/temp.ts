import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Scope } from './scope.ts';

/** A new folder (0700) in `parent`, removed at the end. Its path is short: UNIX sockets in it have 107 bytes. */
export async function temporaryFolder(scope: Scope, name: string, parent = tmpdir()): Promise<string> {
  const folder = await mkdtemp(join(parent, `wt-${name}-`));
  scope.defer(folder, () => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}
