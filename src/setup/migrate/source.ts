import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import { statOrUndefined } from '../../base/io/stat.ts';
import { fileSystemOf, isOfNetwork } from '../../base/machine/file-system.ts';
import { databaseUrl, parseDatabaseUrl } from '../../facts/services/urls.ts';
import type { Settings } from '../../facts/types.ts';

/** Where the data is that is carried. */
export interface Source {
  /** The SQLite file. Absolute. */
  database: string;
  /** The data folder that it belongs to: uploads, and the local vectors. */
  dataDir: string;
}

/** Open WebUI's own database file (open_webui/env.py). */
const NAME = 'webui.db';

/** Finds it: what `--from` names, else the database of the installation. Throws TuneError. */
export function findSource(
  from: string | undefined,
  { settings, dataDir, cwd }: { settings: Settings; dataDir: string; cwd: string },
): Source {
  const source = from === undefined ? ofInstallation(settings, dataDir, cwd) : named(resolve(cwd, from));
  const problem = problemOf(source.database);
  if (problem === undefined) return source;
  throw new TuneError(`${source.database} ${problem}`, EXIT.usage, [
    'name the data folder, or the file: webui-tune migrate --from DATA_DIR',
  ]);
}

/** SQLAlchemy's sqlite:////absolute/path or sqlite:///path. */
function ofInstallation(settings: Settings, dataDir: string, cwd: string): Source {
  const url = parseDatabaseUrl(databaseUrl(settings) ?? '');
  const database =
    url?.scheme === 'sqlite' && url.database ? resolve(cwd, url.database) : join(dataDir, NAME);
  return { database, dataDir };
}

function named(path: string): Source {
  if (statOrUndefined(path)?.isDirectory()) return { database: join(path, NAME), dataDir: path };
  return { database: path, dataDir: dirname(path) };
}

/** sqlite.org/fileformat2.html, 1.3: how every database begins. */
const MAGIC = 'SQLite format 3\0';

function problemOf(path: string): string | undefined {
  if (!existsSync(path)) return 'does not exist: there is no SQLite database to migrate';
  const stats = statOrUndefined(path);
  if (!stats?.isFile()) return 'is not a file';
  if (stats.size === 0) return 'is empty: there is nothing to migrate';
  const start = Buffer.alloc(MAGIC.length);
  const file = openSync(path, 'r');
  try {
    readSync(file, start, 0, start.length, 0);
  } finally {
    closeSync(file);
  }
  return start.toString('latin1') === MAGIC ? undefined : 'is not an SQLite database';
}

/**
 * Throws TuneError where another machine may have the database open: only the user can tell. `stopped`: that nobody has.
 */
export function requireLocal({ database }: Source, stopped: boolean): void {
  const type = fileSystemOf(database);
  if (stopped || !isOfNetwork(type)) return;
  throw new TuneError(
    `${database} is on ${type}, where other machines may be using it, and this one cannot see that`,
    EXIT.settings,
    ['stop Open WebUI on every machine, then: webui-tune migrate --stopped'],
  );
}

/** Size and time of the database's files: they differ once somebody has written. */
export function signatureOf(database: string): string {
  return [database, `${database}-wal`]
    .map((path) => {
      const stats = statOrUndefined(path);
      return stats && stats.size > 0 ? `${stats.size} ${stats.mtimeMs}` : '';
    })
    .join(', ');
}
