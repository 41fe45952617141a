/**
 * Runs a backup, a restore or an upgrade, or resumes one, on real files and a real PostgreSQL, with a service and packages
 * that are a file each. At the point that it is told, if any, it is killed, is asked to end, or finds the disk full; prints the points that it comes by.
 */
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { systemCode } from '../../src/base/errors.ts';
import { endInOrder } from '../../src/base/io/interrupts.ts';
import { type BackupData, type BackupSource, backupJob } from '../../src/setup/backup/create.ts';
import { type RestoreData, restoreJob } from '../../src/setup/backup/restore.ts';
import type { Database } from '../../src/setup/backup/tools.ts';
import { type JobContext, resumeJob, runJob } from '../../src/setup/journal/job.ts';
import { Journal } from '../../src/setup/journal/journal.ts';
import { points } from '../../src/setup/journal/points.ts';
import type { Service } from '../../src/setup/journal/service.ts';
import { type UpgradeData, type UpgradeTarget, upgradeJob } from '../../src/setup/upgrade/job.ts';
import { databaseAt, sourceOf as settingsAt } from './open-webui-tables.ts';

export interface KilledJob {
  command: 'backup' | 'restore' | 'upgrade' | 'resume';
  folder: string;
  url: string;
  /** Number of the point at which something happens to it; undefined: it runs to its end. */
  at?: number;
  /** What: a signal that it gets, or a disk that is full from then on. */
  trouble?: NodeJS.Signals | 'full disk';
  /** Whether the service cannot be started with what is new. */
  failsToStart?: boolean;
}

export const TO = '2.0.0';

const { command, folder, url, failsToStart, ...job }: KilledJob = JSON.parse(process.argv[2] ?? '');
const inFolder = (...names: string[]) => join(folder, ...names);
/** Files of the fakes: on another disk than that which may be full. */
const beside = (name: string) => join(dirname(process.argv[1] ?? ''), name);
const text = (name: string) => readFileSync(beside(name), 'utf8');

const passed: string[] = [];
points.reach = (name) => {
  passed.push(name);
  if (passed.length - 1 !== job.at) return;
  if (job.trouble === 'full disk') fillDisk(inFolder('filler'));
  else process.kill(process.pid, job.trouble ?? 'SIGKILL');
};

function fillDisk(path: string): void {
  const filler = openSync(path, 'w');
  for (const size of [65_536, 1]) {
    try {
      for (;;) writeSync(filler, Buffer.alloc(size));
    } catch (error) {
      if (systemCode(error) !== 'ENOSPC') throw error;
    }
  }
  closeSync(filler);
}

const place = { ...settingsAt(url, folder), dataDir: inFolder('data') };

/** Found once: it asks Python. */
let database: Promise<Database> | undefined;

async function source(): Promise<BackupSource> {
  database ??= databaseAt(place);
  return {
    database: await database,
    openWebui: '1.0.0',
    uploads: inFolder('data', 'uploads'),
    secretsFile: inFolder('data', '.webui-tune.env'),
    key: 'key',
  };
}

async function query(sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const result = await client.query<Record<string, unknown>>(sql);
    return result.rows;
  } finally {
    await client.end();
  }
}

/** The service serves while there is the file `running`. The new version migrates when it starts. */
const service: Service = {
  async stop() {
    rmSync(beside('running'), { force: true });
  },
  async start() {
    const packages = text('packages');
    if (packages === 'new') {
      await query(
        `BEGIN; CREATE TABLE IF NOT EXISTS config (id int); UPDATE alembic_version SET version_num = 'a2'; COMMIT`,
      );
    }
    const [row] = await query(
      'SELECT (SELECT count(*) FROM chat) AS chats, version_num FROM alembic_version',
    );
    const uploads = existsSync(inFolder('data', 'uploads', 'new')) ? 'new' : 'old';
    appendFileSync(beside('starts'), `${packages} ${row?.version_num} ${row?.chats} ${uploads}\n`);
    if (failsToStart && (packages === 'new' || uploads === 'new')) throw new Error('it does not start');
    writeFileSync(beside('running'), packages);
  },
};

/** Packages that are broken while they are replaced. */
const target: UpgradeTarget = {
  service,
  packages: {
    async fetch(data) {
      mkdirSync(join(data.folder, 'wheels'), { recursive: true });
    },
    async install(_, direction) {
      writeFileSync(beside('packages'), 'half');
      points.reach('half installed');
      writeFileSync(beside('packages'), direction === 'forward' ? 'new' : 'old');
    },
    async clear() {},
  },
  async requireRoom() {},
  rehearsal: {
    async run() {
      await query('CREATE SCHEMA rehearsal');
      points.reach('half rehearsed');
      return { backup: 0, packages: 0, migration: 0, start: 0, asked: [] };
    },
    async clear() {
      await query('DROP SCHEMA IF EXISTS rehearsal CASCADE');
    },
  },
  serves: async () => existsSync(beside('running')) && text('running') === 'new',
  place: async () => {
    if (text('packages') === 'half') throw new Error('the packages are broken');
    return place;
  },
};

const jobs = {
  backup: backupJob(source, 'the backup'),
  restore: restoreJob({ source, service }, 'the restore'),
  upgrade: upgradeJob(target, 'the upgrade', () => {}),
};

async function run(context: JobContext): Promise<unknown> {
  if (command === 'backup') {
    const data = {
      file: inFolder('out.tar'),
      folder: inFolder('backup'),
      unfinished: inFolder('.out.unfinished'),
    };
    return runJob<BackupData>(jobs.backup, data, context);
  }
  if (command === 'restore') {
    const [uploads, kept] = [inFolder('data', 'uploads'), inFolder('kept.tar')];
    return runJob<RestoreData>(
      jobs.restore,
      { file: inFolder('backup.tar'), uploads, ran: true, kept },
      context,
    );
  }
  if (command === 'upgrade') {
    const packages = { changes: [], python: 'python3', folder: inFolder('upgrade') };
    return runJob<UpgradeData>(
      jobs.upgrade,
      { from: '1.0.0', to: TO, installed: false, rehearsal: 'rehearsal', ...packages },
      context,
    );
  }
  const entry = context.journal.read();
  if (!entry) return undefined;
  if (entry.command === 'backup') return resumeJob<BackupData>(jobs.backup, entry, context);
  if (entry.command === 'restore') return resumeJob<RestoreData>(jobs.restore, entry, context);
  return resumeJob<UpgradeData>(jobs.upgrade, entry, context);
}

let failure = '';
await endInOrder((interrupts) => run({ journal: new Journal(folder), interrupts, tell: () => {} })).catch(
  (error: unknown) => {
    failure = error instanceof Error ? error.message : String(error);
  },
);
process.stdout.write(JSON.stringify({ passed, failure }));
