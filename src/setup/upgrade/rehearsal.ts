import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { EXIT, TuneError } from '../../base/errors.ts';
import type { Environment } from '../../base/io/environment.ts';
import { shippedFile } from '../../base/io/package.ts';
import { runProgram, tailOf } from '../../base/io/run.ts';
import { makePrivateFolder, writeAtomically } from '../../base/io/write.ts';
import { databaseUrl } from '../../facts/services/urls.ts';
import { copyToSchema, dropSchema } from '../backup/scratch.ts';
import { findDatabase } from '../backup/tools.ts';
import { type BackupPlace, backUpDatabase } from './backup.ts';
import type { UpgradeData } from './job.ts';

/* The new version runs once on a copy of the data, while the old one serves. */

/** Seconds that the parts of the outage have taken in the rehearsal. */
export interface Outage {
  backup: number;
  packages: number;
  migration: number;
  start: number;
}

export interface Rehearsed extends Outage {
  /** What the new version was asked for, in words. */
  asked: string[];
}

export interface RehearsalPlace extends BackupPlace {
  /** What runs the new version: an interpreter, and a folder ahead of its packages, which may be made at that path. */
  newVersion(folder: string): Promise<{ python: string; path?: string }>;
  /** File that keeps the log of the new version. */
  log: string;
}

/** It failed: the old version went on serving, and nothing has changed. */
export class RehearsalError extends TuneError {}

/** Where it all lies: the packages, the copy of the database, a DATA_DIR. */
const folderOf = ({ folder }: Pick<UpgradeData, 'folder'>) => join(folder, 'rehearsal');

/** Milliseconds until it is given up, as for the start itself. */
const TIMEOUT = 1_800_000;

/** Throws RehearsalError where the new version fails, and TuneError where it cannot be tried. */
export async function rehearse(data: UpgradeData, place: RehearsalPlace): Promise<Rehearsed> {
  const folder = folderOf(data);
  for (const name of ['data', 'static']) makePrivateFolder(join(folder, name));
  const laid = await timed(() => place.newVersion(join(folder, 'packages')));
  const { python, path } = laid.result;
  const copied = await timed(() => copyDatabase(data, { ...place, folder }));
  linkModels(place.dataDir, join(folder, 'data'));
  const env = {
    ...environmentOf(place),
    ...copied.result,
    ...QUIET,
    DATA_DIR: join(folder, 'data'),
    STATIC_DIR: join(folder, 'static'),
    PYTHONPATH: [path, place.env.PYTHONPATH].filter(Boolean).join(':'),
  };
  const { migrate, start, asked } = await run(data, { ...place, python, env, folder });
  return { backup: copied.seconds, packages: laid.seconds, migration: migrate, start, asked };
}

/** Removes all that a rehearsal has made, however far it came. Throws TuneError. */
export async function clearRehearsal(data: UpgradeData, place: BackupPlace): Promise<void> {
  const database = await findDatabase(place);
  if (database && data.rehearsal !== undefined) await dropSchema(database, data.rehearsal);
  rmSync(folderOf(data), { recursive: true, force: true });
}

async function timed<T>(work: () => Promise<T> | T): Promise<{ result: T; seconds: number }> {
  const begun = performance.now();
  const result = await work();
  return { result, seconds: (performance.now() - begun) / 1000 };
}

/** Settings with which Open WebUI finds the copy. */
async function copyDatabase(data: UpgradeData, place: BackupPlace): Promise<Environment> {
  const { settings, folder } = place;
  const database = await findDatabase(place);
  if (!database) return { DATABASE_URL: `sqlite:///${(await backUpDatabase(place)).path}` };
  const schema = data.rehearsal ?? '';
  const found = await copyToSchema(database, schema, join(folder, 'database.dump'));
  const [url, vectors] = [databaseUrl(settings), settings.get('PGVECTOR_DB_URL')?.value || undefined];
  return {
    ...found,
    // What a URL says itself would win.
    ...(url !== undefined && settings.has('DATABASE_URL') && { DATABASE_URL: withoutOptions(url) }),
    ...(vectors !== undefined && { PGVECTOR_DB_URL: withoutOptions(vectors) }),
    // Vectors in another database are not copied, and are not to be touched.
    ...(vectors !== undefined && vectors !== url && { VECTOR_DB: 'chroma' }),
    ...(settings.has('DATABASE_SCHEMA') && { DATABASE_SCHEMA: schema }),
  };
}

function withoutOptions(url: string): string {
  return url.replace(/(?<=[?&])options=[^&]*&?/, '').replace(/[?&]$/, '');
}

/** Models are only read. Uploads are read where the database says that they are; the rest of DATA_DIR is made anew. */
function linkModels(from: string, to: string): void {
  mkdirSync(join(to, 'cache'), { recursive: true });
  for (const name of ['embedding', 'whisper', 'tiktoken']) {
    const target = join(from, 'cache', name);
    if (existsSync(target)) symlinkSync(target, join(to, 'cache', name));
  }
}

/** Redis is shared with the version that serves; measurements, an account of the settings and a licence are others' business. */
const LEFT_OUT = /^(?:REDIS_|WEBSOCKET_|OTEL_|ENABLE_OTEL|WEBUI_ADMIN_|LICENSE_KEY$)/;

function environmentOf({ env, settings }: BackupPlace): Environment {
  const all = { ...env, ...Object.fromEntries([...settings].map(([name, { value }]) => [name, value])) };
  return Object.fromEntries(Object.entries(all).filter(([name]) => !LEFT_OUT.test(name)));
}

/** Functions of users are code that could do anything; pip would change the environment that serves. */
const QUIET: Environment = {
  FROM_INIT_PY: 'true',
  SAFE_MODE: 'true',
  ENABLE_PIP_INSTALL_FRONTMATTER_REQUIREMENTS: 'false',
  OFFLINE_MODE: 'true',
  AUDIT_LOG_LEVEL: 'NONE',
};

const Message = z.union([
  z.object({ stage: z.enum(['migrate', 'start', 'ask']) }),
  z.object({ migrate: z.number(), start: z.number(), asked: z.array(z.string()) }),
]);

const FAILURES = {
  migrate: 'does not migrate a copy of the database',
  start: 'does not start on a copy of the data',
  ask: 'starts, but does not answer as it should',
} as const;

async function run({ from, to }: UpgradeData, { python, env, folder, log }: RehearsalPlace) {
  let stage: keyof typeof FAILURES = 'migrate';
  let result: { migrate: number; start: number; asked: string[] } | undefined;
  const script = shippedFile('rehearsal.py', join('setup', 'upgrade', 'rehearsal.py'));
  const { code, signal, output } = await runProgram(python, ['-P', script], {
    env,
    cwd: folder,
    timeout: TIMEOUT,
    onOutput: (line) => {
      const message = parse(line);
      if (message && 'stage' in message) stage = message.stage;
      else if (message) result = message;
    },
  });
  makePrivateFolder(dirname(log));
  writeAtomically(log, output, 0o600);
  if (code === 0 && result) return result;
  const killed =
    signal === 'SIGKILL'
      ? '\nIt was killed: it took more than 30 minutes, or the memory did not suffice.'
      : '';
  throw new RehearsalError(
    `Open WebUI ${to} ${FAILURES[stage]}; ${from} went on serving, and nothing has changed.\n${tailOf(output)}${killed}`,
    EXIT.service,
    [`the whole log of this rehearsal: ${log}`],
  );
}

/** Undefined for lines of Open WebUI's log. */
function parse(line: string): z.infer<typeof Message> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return Message.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

/** What is told before the outage begins. */
export function outageText({ backup, packages, migration, start }: Outage): string {
  const parts = { backup, packages, migration, start };
  const text = Object.entries(parts).map(([name, seconds]) => `${name} ${seconds.toFixed(1)}`);
  const sum = backup + packages + migration + start;
  return `some ${Math.ceil(sum)} s (${text.join(', ')}), and as long as the last answers take`;
}
