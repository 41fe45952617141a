import { EXIT, TuneError } from '../../base/errors.ts';
import type { Job } from '../journal/job.ts';
import { removeApps } from '../up/cluster.ts';
import { serviceOf } from '../up/service.ts';
import type { Setup } from '../up/setup.ts';
import { Written } from './messages.ts';
import { isManaged } from './old-server.ts';
import { pointAtSqlite } from './pointing.ts';
import { askPython } from './python-half.ts';
import { type MigrationRecord, readRecord } from './record.ts';
import { startOldServers } from './stop-old.ts';
import { migrationFolder, SERVICES, targetOf } from './target.ts';

/** What the journal keeps of the way back. */
export interface BackData {
  record: MigrationRecord;
}

/** What the way back works with. */
export interface Back {
  /** Throws TuneError where somebody has written in PostgreSQL since. */
  requireUnwritten(record: MigrationRecord): Promise<void>;
  service: { stop(): Promise<void>; start(): Promise<void> };
  point(): Promise<void>;
  startOld(record: MigrationRecord): Promise<void>;
}

/** Points at SQLite again. What is cut short before that is undone; later it is completed. */
export function backJob({ requireUnwritten, service, point, startOld }: Back, what: string): Job<BackData> {
  return {
    command: 'migrate back',
    what,
    forwardFrom: 'switch',
    completeFrom: 'switch',
    steps: [
      {
        name: 'stop',
        do: async ({ record }) => {
          // Before anybody is disturbed; and again, once nobody can write.
          await requireUnwritten(record);
          await service.stop();
          await requireUnwritten(record);
          return undefined;
        },
        undo: () => service.start(),
      },
      {
        name: 'switch',
        do: async () => {
          await point();
          return undefined;
        },
      },
      {
        name: 'start',
        do: async ({ record }) => {
          await startOld(record);
          return undefined;
        },
      },
    ],
  };
}

/** What there is to go back to. Throws TuneError. */
export function requireRecord(setup: Setup): MigrationRecord {
  const record = readRecord(migrationFolder(setup));
  if (record) return record;
  throw new TuneError('nothing was migrated here', EXIT.usage, [
    'webui-tune migrate carries SQLite to PostgreSQL',
  ]);
}

export function backOf(setup: Setup, tell: (text: string) => void): Back {
  const { stop, start } = serviceOf(setup);
  return {
    requireUnwritten: (record) => requireUnwritten(setup, record),
    service: { stop, start },
    point: () => pointAtSqlite(setup),
    startOld: (record) => startOld(setup, record, tell),
  };
}

async function requireUnwritten(
  setup: Setup,
  { relocated, source, isOlder }: MigrationRecord,
): Promise<void> {
  const tuned = await setup.tuned();
  const { url, schema } = targetOf(setup, tuned);
  const half = { python: tuned.plan.places.python, env: setup.env };
  // An older version's file has no rows that could be compared.
  const request = { target: url, schema, ...(!isOlder && { source }) };
  const written = await askPython('written-since', request, Written, half);
  const lines = writtenLines(written, relocated);
  if (lines.length === 0) return;
  throw new TuneError(
    `people have written in PostgreSQL since the migration, and SQLite has none of it:\n${lines.join('\n')}`,
    EXIT.service,
    ['nothing was changed; Open WebUI stays on PostgreSQL'],
  );
}

/** Tables in which somebody but us has written; `relocated` rows of files name new places since. */
export function writtenLines({ tables }: Pick<Written, 'tables'>, relocated: number): string[] {
  return tables
    .map(({ table, written, deleted }) => ({
      table,
      written: table === 'file' ? Math.max(0, written - relocated) : written,
      deleted,
    }))
    .filter(({ written, deleted }) => written + deleted > 0)
    .map(({ table, written, deleted }) => {
      const what = [written > 0 && `${written} new or changed`, deleted > 0 && `${deleted} deleted`];
      return `  ${table}: ${what.filter(Boolean).join(', ')}`;
    });
}

async function startOld(setup: Setup, record: MigrationRecord, tell: (text: string) => void): Promise<void> {
  setup.changed();
  const { plan } = await setup.tuned();
  const needed = (plan.embedded ?? []).map(({ name }) => name);
  const idle = SERVICES.filter((name) => !needed.includes(name));
  await removeApps(setup.plainPm2(), idle);
  setup.changed();
  if (record.old.length > 0 && record.old.every(isManaged)) {
    await startOldServers(setup, record.old);
  } else if (record.dataDir === plan.places.dataDir && !record.isOlder) {
    await serviceOf(setup).start();
  } else {
    tell(`the data is in ${record.dataDir}, as it was: start the Open WebUI that served it`);
  }
}
