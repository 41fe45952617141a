/**
 * `webui-tune migrate`, killed (-9) at twenty random moments, two in each of its steps, on four machines with the same old
 * data. Each time, one more command leaves exactly the old service or exactly the new one; at last it is done, and undone.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../../src/base/errors.ts';
import { Scope } from '../../src/base/io/scope.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { startUpstream } from '../../src/bench/scratch/upstream.ts';
import { APPS } from '../../src/runtime/contract.ts';
import { Journal } from '../../src/setup/journal/journal.ts';
import { Installation } from '../kit/installation.ts';
import { type Answers, answersOf, anywhere, readPaths } from '../kit/migrate/answers.ts';
import { nameUploads } from '../kit/migrate/kept-data.ts';
import { addManyRows } from '../kit/migrate/large-data.ts';
import { makeData } from '../kit/migrate/make-data.ts';
import { databaseUrl, OLD, onlineApps, startOld, untilServed } from '../kit/migrate/old-app.ts';
import { ADA, BEN, CLEO, type Person } from '../kit/migrate/people.ts';
import { sqliteSettings, startSqliteServer } from '../kit/migrate/sqlite-server.ts';
import { useScope } from '../kit/vitest.ts';

const TIMEOUT_MS = 600_000;
const WORKERS = 2;
const MESSAGES = 30_000;
const CHUNKS = 3_000;
const LOOK_MS = 5;
/** What it does before there is a journal. */
const BEFORE = 'plan';
/** Where it is killed, on each machine one after the other: an earlier step has more to do on a fresh one. */
const MACHINES = [
  ['services', 'new database', 'first pass', 'second pass', 'start'],
  [BEFORE, 'copy of the file', 'first pass', 'stop', 'switch'],
  ['new database', 'stop', 'files’ places', 'second pass', 'start'],
  ['services', BEFORE, 'copy of the file', 'files’ places', 'switch'],
];

const PEOPLE: readonly Person[] = [ADA, BEN, CLEO];

const scope = useScope();
let settings: Record<string, string>;
let template: string;
let paths: string[];
let answers: Answers;
/** Milliseconds that each step took in a run that was not killed. */
const lengths = new Map<string, number>();

beforeAll(async () => {
  const upstream = await startUpstream(scope);
  settings = sqliteSettings(upstream);
  template = join(await temporaryFolder(scope, 'old'), 'data');
  const first = await startSqliteServer(scope, template, upstream);
  await makeData(first.url);
  await first.process.stop();
  await addManyRows(template, MESSAGES, CHUNKS);
  const second = await startSqliteServer(scope, template, upstream);
  paths = await readPaths(second.url);
  answers = anywhere(await answersOf(second.url, PEOPLE, paths));
  await second.process.stop();
}, TIMEOUT_MS);

/** A machine on which an old server serves the old data, in a folder that is not that of `up`. */
async function prepare(round: Scope): Promise<{ installation: Installation; words: string[] }> {
  const installation = await Installation.prepare(round);
  await installation.writeSettings(settings);
  const dataDir = join(installation.home, 'old-data');
  cpSync(template, dataDir, { recursive: true });
  await nameUploads(dataDir);
  await startOld(installation, settings, dataDir);
  return { installation, words: installation.migration('--yes', '--from', dataDir) };
}

interface Run {
  /** Exit code; null where it was killed. */
  code: number | null;
  stderr: string;
  /** Milliseconds of each step that began. */
  lengths: Map<string, number>;
}

/** Runs it, and kills it so many milliseconds after the step began. */
async function run(
  installation: Installation,
  words: readonly string[],
  kill?: { step: string; after: number },
): Promise<Run> {
  const command = installation.start(words, {}, TIMEOUT_MS);
  let isOver = false;
  const closed = command.finally(() => {
    isOver = true;
  });
  const journal = new Journal(installation.folder);
  const begun = new Map([[BEFORE, performance.now()]]);
  while (!isOver) {
    const step = journal.read()?.step;
    if (step !== undefined && !begun.has(step)) begun.set(step, performance.now());
    const since = performance.now() - (begun.get(kill?.step ?? '') ?? Number.POSITIVE_INFINITY);
    if (kill && since >= kill.after) command.kill('SIGKILL');
    await Promise.race([sleep(LOOK_MS), closed]);
  }
  const { exitCode, stderr } = await closed;
  const times = [...begun.values(), performance.now()];
  const took = [...begun.keys()].map((step, index) => {
    return [step, (times[index + 1] as number) - (times[index] as number)] as const;
  });
  return { code: exitCode ?? null, stderr, lengths: new Map(took) };
}

async function expectTheSame(installation: Installation, people: readonly Person[] = PEOPLE): Promise<void> {
  await untilServed(installation);
  const expected = Object.fromEntries(people.map(({ name }) => [name, answers[name]]));
  expect(anywhere(await answersOf(installation.url, people, paths))).toEqual(expected);
}

/** What ran before and nothing else, or the new server and nothing of the old; `people` get the same answers. */
async function expectWhole(
  installation: Installation,
  before: readonly string[],
  people = PEOPLE,
): Promise<'old' | 'new'> {
  const apps = await onlineApps(installation);
  if (databaseUrl(installation) === undefined) {
    expect(apps).toEqual(before);
    expect(installation.supervisorPids()).toEqual([]);
    await expectTheSame(installation, people);
    return 'old';
  }
  const cluster = (await installation.processes()).get(APPS.cluster) ?? [];
  expect(cluster).toHaveLength(WORKERS);
  expect(apps).not.toContain(OLD);
  expect(installation.supervisorPids().sort()).toEqual(cluster.map(({ pid }) => pid).sort());
  await expectTheSame(installation, people);
  return 'new';
}

async function goBack(installation: Installation): Promise<void> {
  const { code, stderr } = await installation.migrate('--back');
  expect([code, stderr]).toEqual([EXIT.ok, expect.anything()]);
  // It is the way back to a new migration, so that the embedded services stay.
  expect(await onlineApps(installation)).toContain(OLD);
  expect(installation.supervisorPids()).toEqual([]);
}

it(
  'carries everything when nothing kills it',
  async () => {
    const machine = new Scope();
    try {
      const { installation, words } = await prepare(machine);
      const { code, stderr, lengths: found } = await run(installation, words);
      expect([code, stderr]).toEqual([EXIT.ok, expect.anything()]);
      expect(await expectWhole(installation, [])).toBe('new');
      for (const step of MACHINES.flat()) expect([...found.keys()]).toContain(step);
      for (const [step, length] of found) lengths.set(step, length);
    } finally {
      await machine.close();
    }
  },
  TIMEOUT_MS,
);

describe.sequential.each(MACHINES.map((steps) => ({ steps })))('killed in $steps', ({ steps }) => {
  const machine = useScope();
  let installation: Installation;
  let words: string[];

  beforeAll(async () => {
    ({ installation, words } = await prepare(machine));
  }, TIMEOUT_MS);

  it.each(steps.map((step, index) => [step, PEOPLE[index % PEOPLE.length] as Person] as const))(
    '“%s”: one more command leaves the old service or the new one',
    async (step, person) => {
      const after = Math.random() * (lengths.get(step) ?? 0);
      const when = `killed ${after.toFixed(0)} ms after the begin of “${step}”`;
      const before = await onlineApps(installation);
      const killed = await run(installation, words, { step, after });
      // In a run that has less to do than the first, the moment may be after its end.
      expect([null, EXIT.ok], `${when}:\n${killed.stderr}`).toContain(killed.code);
      const resumed = await installation.run('resume');
      expect([resumed.code, resumed.stderr], when).toEqual([EXIT.ok, expect.anything()]);
      const found = await expectWhole(installation, before, [person]);
      process.stderr.write(`${when}, in “${[...killed.lengths.keys()].at(-1)}”: ${found}\n`);
      if (found === 'new') await goBack(installation);
    },
    TIMEOUT_MS,
  );

  it(
    'and then it is done, and undone',
    async () => {
      const { code, stderr } = await run(installation, words);
      expect([code, stderr]).toEqual([EXIT.ok, expect.anything()]);
      expect(await expectWhole(installation, [])).toBe('new');
      await goBack(installation);
      await expectTheSame(installation);
    },
    TIMEOUT_MS,
  );
});
