/**
 * Backup, restore and upgrade, killed (-9) at each of their points, before and after each step and in the middle of some.
 * One more command has to bring back exactly the old or exactly the new data, and a service that runs with it.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import type { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { createBackup } from '../../src/setup/backup/create.ts';
import { Journal, unfinishedLine } from '../../src/setup/journal/journal.ts';
import { ROOT } from '../kit/environment.ts';
import type { KilledJob } from '../kit/killed-job.ts';
import { contentsOf, databaseAt, makeTables, openDatabase, sourceOf } from '../kit/open-webui-tables.ts';
import { useScope } from '../kit/vitest.ts';

const JOB_TIMEOUT_MS = 600_000;

const scope = useScope();
let folder: string;
let program: string;
let url: string;
let client: Client;

const at = (...names: string[]) => join(folder, ...names);
/** A file of the job's fakes. */
const beside = (name: string) => join(dirname(program), name);

beforeAll(async () => {
  folder = await temporaryFolder(scope, 'killed');
  ({ url, client } = await openDatabase(scope));
  program = at('job.mjs');
  await build({
    entryPoints: [join(ROOT, 'test', 'kit', 'killed-job.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    // Bundled CommonJS packages ask for Node's own modules by require().
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    logLevel: 'warning',
  });
  await makeBackup();
}, 60_000);

interface Outcome {
  /** The points that it came by, where it was not killed. */
  passed: string[];
  failure: string;
  signal: NodeJS.Signals | null;
}

function run(job: Omit<KilledJob, 'folder' | 'url'>): Outcome {
  const { stdout, stderr, signal } = spawnSync(
    process.execPath,
    [program, JSON.stringify({ ...job, folder, url } satisfies KilledJob)],
    { encoding: 'utf8' },
  );
  if (signal === null && stdout === '') throw new Error(stderr);
  return { ...(signal === null ? JSON.parse(stdout) : { passed: [], failure: '' }), signal };
}

/** All that must not be a mixture. */
async function state() {
  const uploads = readdirSync(at('data', 'uploads')).map((name) => [
    name,
    readFileSync(at('data', 'uploads', name), 'utf8'),
  ]);
  return {
    database: await contentsOf(client),
    uploads: uploads.sort(),
    secrets: readFileSync(at('data', '.webui-tune.env'), 'utf8'),
    packages: readFileSync(beside('packages'), 'utf8'),
  };
}

async function makeOld(): Promise<void> {
  for (const name of ['data', 'upgrade', 'out.tar', 'kept.tar', 'backup']) {
    rmSync(at(name), { recursive: true, force: true });
  }
  rmSync(beside('starts'), { force: true });
  await makeTables(client);
  mkdirSync(at('data', 'uploads'), { recursive: true });
  for (const name of ['f1', 'f2', 'same']) writeFileSync(at('data', 'uploads', name), `old ${name}`);
  writeFileSync(at('data', '.webui-tune.env'), 'WEBUI_SECRET_KEY="old"\nOTHER="old"\n');
  writeFileSync(beside('packages'), 'old');
  writeFileSync(beside('running'), 'old');
}

/** What a restore brings. */
async function makeBackup(): Promise<void> {
  await makeOld();
  await client.query(`DELETE FROM chat WHERE id > 'c5'; INSERT INTO "user" VALUES ('u3', 'restored')`);
  const uploads = at('new');
  mkdirSync(uploads);
  for (const name of ['new', 'same']) writeFileSync(join(uploads, name), `new ${name}`);
  const database = await databaseAt(sourceOf(url, folder));
  await createBackup(
    { database, openWebui: '1.0.0', uploads, secretsFile: at('none'), key: 'restored' },
    { folder: at('making'), unfinished: at('making.tar') },
    at('backup.tar'),
  );
}

/** What no run may leave behind. */
async function expectNothingHalf(): Promise<void> {
  const { rows } = await client.query("SELECT nspname FROM pg_namespace WHERE nspname = 'rehearsal'");
  expect(rows).toEqual([]);
  expect(existsSync(new Journal(folder).path)).toBe(false);
  expect(readdirSync(at('data', 'uploads'))).not.toContain('.webui-tune-restore');
  expect(readdirSync(folder).filter((name) => /unfinished|^backup$/.test(name))).toEqual([]);
}

/** No start was made with a mixture: packages, migration, chats and uploads go together. */
function expectStarts(allowed: readonly string[]): void {
  const starts = existsSync(beside('starts'))
    ? readFileSync(beside('starts'), 'utf8').trim().split('\n')
    : [];
  expect(starts.filter((line) => !allowed.includes(line))).toEqual([]);
}

type State = Awaited<ReturnType<typeof state>>;

interface Case {
  job: Omit<KilledJob, 'folder' | 'url' | 'at'>;
  /** Fewest points that it has to be killed at. */
  points: number;
  starts: readonly string[];
  /** The first point that it is killed at; default: the first of all. */
  from?: string;
}

const OLD = 'old a1 200 old';
/** Chats whose id is at most "c5": c1, c2, … and c10, c100, … */
const NEW = 'old a1 146 new';

describe.sequential('killed at each point', () => {
  it.each<[string, Case]>([
    ['a backup', { job: { command: 'backup' }, points: 9, starts: [] }],
    ['a restore', { job: { command: 'restore' }, points: 30, starts: [OLD, NEW] }],
    [
      'a restore that fails when it is nearly done',
      {
        job: { command: 'restore', failsToStart: true },
        points: 50,
        starts: [OLD, NEW],
        from: 'database doing',
      },
    ],
    ['an upgrade', { job: { command: 'upgrade' }, points: 20, starts: [OLD, 'new a2 200 old'] }],
    [
      'an upgrade that fails when it is nearly done',
      {
        job: { command: 'upgrade', failsToStart: true },
        points: 25,
        starts: [OLD, 'new a2 200 old'],
        from: 'start doing',
      },
    ],
  ])(
    '%s leaves the old or the new',
    async (_, { job, points, starts, from }) => {
      await makeOld();
      const old = await state();
      const { passed, failure } = run(job);
      expect(failure).toBe(job.failsToStart ? 'it does not start' : '');
      const whole = await state();
      await expectNothingHalf();
      if (job.failsToStart || job.command === 'backup') expect(whole).toEqual(old);
      else expect(whole).not.toEqual(old);
      expect(passed.length).toBeGreaterThanOrEqual(points);
      const allowed: State[] = [old, whole];
      // One that fails late is the same as one that does not until there.
      const first = from === undefined ? 0 : passed.indexOf(from);
      for (const [index, point] of passed.entries()) {
        if (index < first) continue;
        await makeOld();
        expect(run({ ...job, at: index }).signal, point).toBe('SIGKILL');
        const line = unfinishedLine(new Journal(folder));
        const { failure, ...resumed } = run({
          command: 'resume',
          ...(job.failsToStart && { failsToStart: true }),
        });
        // It tells of what failed, when that is what it was to complete.
        expect(['', ...(job.failsToStart ? ['it does not start'] : [])], point).toContain(failure);
        const found = await state();
        expect(allowed, `${point} (${line}; then ${resumed.passed.join(', ')})`).toContainEqual(found);
        await expectNothingHalf();
        if (job.command === 'backup') {
          if (existsSync(at('out.tar'))) expect(readFileSync(at('out.tar')).length).toBeGreaterThan(10_000);
        } else {
          expect(readFileSync(beside('running'), 'utf8'), point).toBe(found.packages);
        }
        expectStarts(starts);
      }
      process.stderr.write(`${job.command}: killed at ${passed.length - first} points\n`);
    },
    JOB_TIMEOUT_MS,
  );
});

describe.sequential('asked to end', () => {
  it.each([
    ['SIGINT', ['unpack do', 'stop doing', 'save doing', 'a file moved', 'secrets done']],
    ['SIGTERM', ['save doing']],
    ['SIGHUP', ['stop doing', 'database doing']],
  ] as const)(
    'by %s, a restore is undone, or completed where that is safer',
    async (trouble, some) => {
      await makeOld();
      const old = await state();
      const { passed } = run({ command: 'restore' });
      const restored = await state();
      const turn = passed.indexOf('database doing');
      for (const point of some) {
        await makeOld();
        const at = passed.indexOf(point);
        const { failure, signal } = run({ command: 'restore', at, trouble });
        expect(signal).toBe(null);
        expect(failure, point).toBe(at < turn ? `interrupted by ${trouble}` : '');
        expect(await state()).toEqual(at < turn ? old : restored);
        await expectNothingHalf();
        expect(readFileSync(beside('running'), 'utf8')).toBe('old');
      }
    },
    JOB_TIMEOUT_MS,
  );
});

/** Whether we may mount a disk of our own. */
const canMount = process.getuid?.() === 0 && process.platform === 'linux';

describe.skipIf(!canMount)('a disk that is full', () => {
  let outer: string;

  beforeAll(() => {
    outer = folder;
    folder = join(outer, 'disk');
    mkdirSync(folder);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'none', folder]);
    copyFileSync(join(outer, 'backup.tar'), join(folder, 'backup.tar'));
  });

  afterAll(() => {
    execFileSync('umount', [folder]);
    folder = outer;
  });

  it.each(['backup', 'restore', 'upgrade'] as const)(
    'at any point of a %s: nothing is lost',
    async (command) => {
      await makeOld();
      const old = await state();
      const { passed, failure } = run({ command });
      expect(failure).toBe('');
      const done = await state();
      for (const [index, point] of passed.entries()) {
        await makeOld();
        run({ command, at: index, trouble: 'full disk' });
        rmSync(join(folder, 'filler'));
        expect(run({ command: 'resume' }).failure, point).toBe('');
        expect([old, done], point).toContainEqual(await state());
        await expectNothingHalf();
        expect(readFileSync(beside('running'), 'utf8'), point).toBe((await state()).packages);
      }
    },
    JOB_TIMEOUT_MS,
  );
});

describe.skipIf(!canMount)('uploads that are a disk of their own', () => {
  it('are replaced, and kept where the service does not start', async () => {
    await makeOld();
    const old = await state();
    rmSync(at('data', 'uploads'), { recursive: true });
    mkdirSync(at('data', 'uploads'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'none', at('data', 'uploads')]);
    try {
      for (const [name, content] of old.uploads)
        writeFileSync(at('data', 'uploads', name ?? ''), content ?? '');
      expect(run({ command: 'restore', failsToStart: true }).failure).toBe('it does not start');
      expect(await state()).toEqual(old);
      rmSync(at('kept.tar'));
      expect(run({ command: 'restore' }).failure).toBe('');
      expect((await state()).uploads).toEqual([
        ['new', 'new new'],
        ['same', 'new same'],
      ]);
      await expectNothingHalf();
    } finally {
      execFileSync('umount', [at('data', 'uploads')]);
    }
  });
});
