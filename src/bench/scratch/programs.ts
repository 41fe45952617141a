/** Servers that are installed already: those on the PATH, and where Debian has PostgreSQL's. */
import { readdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findOnPath, isExecutable } from '../../base/io/path.ts';

/** Debian and its kin keep every major version's programs apart, outside of the PATH. */
const DEBIAN = '/usr/lib/postgresql';

/** Folder of initdb and postgres, the newest where there are several; undefined: there is none. */
export function findPostgres(searchPath: string | undefined): string | undefined {
  const onPath = findOnPath('initdb', searchPath);
  const candidates = [
    // Beside initdb itself, not beside a link to it.
    ...(onPath === undefined ? [] : [dirname(realpathSync(onPath))]),
    ...versionsIn(DEBIAN).map((version) => join(DEBIAN, version, 'bin')),
  ];
  return candidates.find((folder) =>
    ['initdb', 'postgres'].every((name) => isExecutable(join(folder, name))),
  );
}

/** Undefined: there is none. */
export function findRedis(searchPath: string | undefined): string | undefined {
  return findOnPath('valkey-server', searchPath) ?? findOnPath('redis-server', searchPath);
}

function versionsIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort((a, b) => Number(b) - Number(a));
  } catch {
    return [];
  }
}
