import { isOfNetwork } from '../../base/machine/file-system.ts';
import { formatBytes, KIB, plural } from '../../base/units.ts';
import type { Setting } from '../../facts/types.ts';
import { overruledByDatabase } from '../../plan/persisted.ts';
import { connectionBudget, connectionsOf, leastPools } from '../../plan/pools.ts';
import { usesPgvector } from '../../plan/services.ts';
import { check, error, note, ok, skipped, warning } from '../check.ts';
import { NO_DOCUMENTS } from '../read/documents.ts';
import { severalWorkersNeed } from './several.ts';

/** Connections to SQLite where DATABASE_POOL_SIZE says nothing (open_webui/internal/db.py, 0.12.4). */
const SQLITE_POOL = 512;
/** Connections that SQLAlchemy opens beyond a pool by default. For SQLite, Open WebUI sets no other number. */
const SQLALCHEMY_OVERFLOW = 10;
/** Open WebUI's own, as sqlite.org/pragma.html#pragma_cache_size has it: negative are KiB, others pages of 4 KiB. */
const SQLITE_CACHE = -65_536;

/** Keys that are listed; the others are counted. */
const SHOWN_KEYS = 3;

export const databaseChecks = [
  check({
    id: 'database.answers',
    title: 'The database answers',
    why: 'nothing starts without it, and every request fails',
    source: 'open_webui/env.py, DATABASE_URL; open_webui/main.py, /ready',
    needs: ['database'],
    about: 'database',
    run: ({ database }) => {
      if (database.kind === 'sqlite') return ok('it is SQLite: there is no server to ask');
      if (database.kind === 'other') return note(`it is ${database.scheme}, which webui-tune cannot ask`);
      if (database.kind !== 'postgresql') return note('it was not asked');
      if (database.answer.up) return ok(`PostgreSQL ${database.answer.version} at ${database.where}`);
      return error(
        `${database.where} does not answer: ${database.answer.reason}`,
        'start it, or mend DATABASE_URL; the workers resume by themselves once it answers',
      );
    },
  }),
  check({
    id: 'database.shared',
    title: 'Several workers have PostgreSQL',
    why: '"database is locked", and automations that run twice: only PostgreSQL locks what workers claim',
    source: 'open_webui/models/automations.py; open_webui/utils/timers.py',
    needs: ['installation', 'interpreter', 'services', 'effective', 'workers'],
    run: (facts) => severalWorkersNeed('PostgreSQL', facts),
  }),
  check({
    id: 'database.local-disk',
    title: 'SQLite is on a disk of this machine',
    why: 'locks do not work over a network: requests take minutes, and the file may be damaged',
    source: 'sqlite.org/faq.html#q5; open-webui/open-webui#23939',
    needs: ['database', 'files'],
    run: ({ database, files: { sqlite } }) => {
      if (database.kind !== 'sqlite') return ok('it is not SQLite');
      if (sqlite.fileSystem === '') return note(`the system does not say what disk ${sqlite.path} is on`);
      if (!isOfNetwork(sqlite.fileSystem)) return ok(`it is on ${sqlite.fileSystem}`);
      return error(
        `${sqlite.path} is on ${sqlite.fileSystem}`,
        'set DATABASE_URL to a PostgreSQL, or DATA_DIR to a local disk',
      );
    },
  }),
  check({
    id: 'database.sqlite-pool',
    title: 'SQLite’s connections fit the memory',
    why: 'without DATABASE_POOL_SIZE a worker may open 512 connections, each with a page cache of 64 MB, and run out of memory',
    source: 'open_webui/internal/db.py; open_webui/env.py, DATABASE_SQLITE_PRAGMA_CACHE_SIZE',
    needs: ['database', 'effective', 'machine'],
    run: ({ database, effective, machine: { memory } }) => {
      if (database.kind !== 'sqlite') return ok('it is not SQLite');
      const size = Number.parseInt(effective.get('DATABASE_POOL_SIZE') ?? '', 10);
      const most = (size > 0 ? size : SQLITE_POOL) + SQLALCHEMY_OVERFLOW;
      const bytes = most * pageCacheOf(effective.get('DATABASE_SQLITE_PRAGMA_CACHE_SIZE'));
      const found = `${most} connections may cache ${formatBytes(bytes)}, and ${formatBytes(memory.availableBytes)} are free`;
      return bytes <= memory.availableBytes ? ok(found) : warning(found, 'DATABASE_POOL_SIZE=8');
    },
  }),
  check({
    id: 'database.version',
    title: 'The database matches the installed version',
    why: 'an older one is migrated at the next start of the preload process; a newer one cannot be served at all',
    source: 'open_webui/migrations; docs.openwebui.com, "Updates and Migrations"',
    needs: ['schema', 'expected'],
    uses: ['cluster'],
    run: ({ schema: { revisions }, expected: { heads, revisions: all }, cluster }) => {
      if (!revisions || revisions.length === 0) return ok('it is new: the first start makes its tables');
      const unknown = revisions.filter((id) => !all.includes(id));
      if (unknown.length > 0) {
        return error(
          `it is at ${unknown.join(', ')}, which the installed version does not know: a newer one has migrated it`,
          'install that version again, or restore the backup that was made before the upgrade',
        );
      }
      if (heads.every((head) => revisions.includes(head))) return ok(`at ${revisions.join(', ')}`);
      const found = `it is at ${revisions.join(', ')}, the installed version at ${heads.join(', ')}`;
      return cluster && cluster.workers.length > 0
        ? error(`${found}, and workers serve it`, 'pm2 restart open-webui-preload open-webui')
        : warning(`${found}: the next start migrates it`, 'make a backup before you start it');
    },
  }),
  check({
    id: 'database.config',
    title: 'Its settings are complete',
    why: 'each worker that starts writes what is missing; when two do so at once, one ends with "config_pkey"',
    source: 'open_webui/models/config.py, seed_defaults; open-webui/open-webui#29851',
    needs: ['schema', 'expected', 'effective'],
    run: ({ schema: { configKeys }, expected, effective }) => {
      if (!configKeys) return ok('it is new: the first worker writes them, alone');
      if (effective.get('ENABLE_PERSISTENT_CONFIG')?.toLowerCase() === 'false')
        return ok('none are kept there');
      const there = new Set(configKeys);
      const keepsOauth = effective.get('ENABLE_OAUTH_PERSISTENT_CONFIG')?.toLowerCase() === 'true';
      const missing = expected.configKeys.filter(
        (key) => !there.has(key) && (keepsOauth || !key.startsWith('oauth.')),
      );
      if (missing.length === 0) return ok(`none of ${expected.configKeys.length} is missing`);
      const shown = missing.slice(0, SHOWN_KEYS).join(', ');
      return warning(
        `${missing.length} of ${expected.configKeys.length} are missing (${shown}${missing.length > SHOWN_KEYS ? ', …' : ''})`,
        'pm2 restart open-webui-preload: its first worker writes them before the second one starts',
      );
    },
  }),
  check({
    id: 'database.overruled',
    title: 'The database overrules none of your settings',
    why: 'after the first start the database wins: a change of the environment has no effect',
    source: 'open_webui/models/config.py; open-webui/open-webui#7560',
    needs: ['database', 'installation'],
    run: ({ database, installation }) => {
      if (database.kind === 'postgresql' && !database.answer.up) return skipped('it does not answer');
      if (!('stored' in database)) return ok('it holds no settings yet');
      const overruled = overruledByDatabase(installation.settings, database);
      return overruled.length === 0
        ? ok('none of those that are compared has another value there')
        : overruled.map((text) =>
            warning(text.split('. Change')[0] ?? text, 'change it in the administration settings'),
          );
    },
  }),
  check({
    id: 'database.connections',
    title: 'It has connections for all workers',
    why: '"too many clients": each worker has two engines, and a third for pgvector',
    source: 'open_webui/internal/db.py; open_webui/retrieval/vector/dbs/pgvector.py',
    needs: ['database', 'effective', 'workers', 'interpreter', 'installation', 'services'],
    run: ({ database, effective, workers, interpreter, installation, services }) => {
      const budget = connectionBudget(database);
      if (!budget) return ok('it is not PostgreSQL, or does not say');
      // As the workers will see it: a value that the file computes counts as set.
      const settings = new Map(
        [...effective].map(([key, value]): [string, Setting] => [
          key,
          { value, source: 'env file', secret: false },
        ]),
      );
      const vectors = usesPgvector({
        settings,
        services,
        hasLocalVectors: installation.hasLocalVectors,
        hasPgvectorDriver: interpreter.probe.package.drivers.pgvector ?? false,
      });
      const each = connectionsOf(leastPools(settings, vectors));
      const needed = each * (workers.count + 1);
      const found = `${workers.count} + 1 workers may open ${needed}, and there are ${budget.connections} (${budget.reason})`;
      if (needed <= budget.connections) return ok(found);
      const mend = 'ALTER SYSTEM SET max_connections = 300, and restart PostgreSQL; or plan anew';
      // Other clients come and go, and pools are seldom full. Only what can never fit is wrong.
      const alone = connectionBudget({ ...database, otherConnections: 0 } as typeof database);
      return needed <= (alone?.connections ?? 0) ? note(found, mend) : error(found, mend);
    },
  }),
  check({
    id: 'database.stuck-files',
    title: 'No upload is stuck',
    why: 'a document whose worker ended while reading it stays "processing", and no question finds it',
    source: 'open_webui/routers/files.py: background tasks without a queue; open-webui/open-webui#24566',
    needs: ['schema'],
    run: ({ schema: { documents } }) => {
      if (!documents) return skipped(NO_DOCUMENTS);
      return documents.stuck === 0
        ? ok('none has been pending for over an hour')
        : note(
            `${plural(documents.stuck, 'upload')} pending for over an hour: no worker reads them any more`,
            'delete and upload them again',
          );
    },
  }),
  check({
    id: 'database.pool',
    title: 'The settings of the pool take effect',
    why: 'without DATABASE_POOL_SIZE the other pool settings are ignored: "QueuePool limit of size 5 overflow 10"',
    source: 'open_webui/internal/db.py',
    needs: ['effective'],
    run: ({ effective }) => {
      const others = ['MAX_OVERFLOW', 'TIMEOUT', 'RECYCLE'].map((part) => `DATABASE_POOL_${part}`);
      const set = others.filter((name) => effective.get(name));
      const size = effective.get('DATABASE_POOL_SIZE');
      if (size) return ok(`DATABASE_POOL_SIZE is ${size}`);
      if (set.length === 0) return ok('there are none');
      return warning(`${set.join(', ')} without DATABASE_POOL_SIZE`, 'DATABASE_POOL_SIZE=8');
    },
  }),
];

/** Bytes of one connection's page cache; none is set where the variable is empty, and SQLite's own is 2 MB. */
function pageCacheOf(text: string | undefined): number {
  const given = text === '' ? -2_000 : Number.parseInt(text ?? '', 10);
  const size = Number.isInteger(given) ? given : SQLITE_CACHE;
  return size < 0 ? -size * KIB : size * 4 * KIB;
}
