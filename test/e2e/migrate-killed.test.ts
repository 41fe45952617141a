/**
 * `webui-tune migrate`, killed (-9) at twenty random moments, two in each of its steps, each time on a fresh machine with
 * the same old data. One more command leaves exactly the old service or exactly the new one; then it can be done again.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
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
import { ADA, BEN, CLEO } from '../kit/migrate/people.ts';
import { sqliteSettings, startSqliteServer } from '../kit/migrate/sqlite-server.ts';
import { useScope } from '../kit/vitest.ts';

const TIMEOUT_MS = 600_000;
const KILLS = 20;
const WORKERS = 2;
const MESSAGES = 30_000;
const CHUNKS = 3_000;
const LOOK_MS = 5;
/** What it does before there is a journal. */
const BEFORE = 'plan';
const STEPS = [
  ...[BEFORE, 'services', 'copy of the file', 'new database', 'first pass', 'stop', 'second pass'],
  ...['files’ places', 'switch', 'start'],
];

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
  answers = anywhere(await answersOf(second.url, [ADA, BEN, CLEO], paths));
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
  const [program = '', ...before] = installation.command;
  const child = spawn(program, [...before, ...words], {
    cwd: installation.home,
    env: installation.env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  let isOver = false;
  const closed = once(child, 'close').finally(() => {
    isOver = true;
  });
  const journal = new Journal(installation.folder);
  const begun = new Map([[BEFORE, performance.now()]]);
  while (!isOver) {
    const step = journal.read()?.step;
    if (step !== undefined && !begun.has(step)) begun.set(step, performance.now());
    const since = performance.now() - (begun.get(kill?.step ?? '') ?? Number.POSITIVE_INFINITY);
    if (kill && since >= kill.after) child.kill('SIGKILL');
    await Promise.race([sleep(LOOK_MS), closed]);
  }
  const [code] = await closed;
  const times = [...begun.values(), performance.now()];
  const took = [...begun.keys()].map((step, index) => {
    return [step, (times[index + 1] as number) - (times[index] as number)] as const;
  });
  return { code: code as number | null, stderr, lengths: new Map(took) };
}

async function expectTheSame(installation: Installation): Promise<void> {
  await untilServed(installation);
  expect(anywhere(await answersOf(installation.url, [ADA, BEN, CLEO], paths))).toEqual(answers);
}

/** The old server with the old data, and nothing else; or the new one, and nothing of the old. */
async function expectWhole(installation: Installation): Promise<'old' | 'new'> {
  const apps = await onlineApps(installation);
  if (databaseUrl(installation) === undefined) {
    expect(apps).toEqual([OLD]);
    expect(installation.supervisorPids()).toEqual([]);
    await expectTheSame(installation);
    return 'old';
  }
  const cluster = (await installation.processes()).get(APPS.cluster) ?? [];
  expect(cluster).toHaveLength(WORKERS);
  expect(apps).not.toContain(OLD);
  expect(installation.supervisorPids().sort()).toEqual(cluster.map(({ pid }) => pid).sort());
  await expectTheSame(installation);
  return 'new';
}

async function inRound(act: (round: Scope) => Promise<void>): Promise<void> {
  const round = new Scope();
  try {
    await act(round);
  } finally {
    await round.close();
  }
}

describe.sequential('webui-tune migrate', () => {
  it(
    'carries everything when nothing kills it',
    () =>
      inRound(async (round) => {
        const { installation, words } = await prepare(round);
        const { code, stderr, lengths: found } = await run(installation, words);
        expect([code, stderr]).toEqual([EXIT.ok, expect.anything()]);
        expect(await expectWhole(installation)).toBe('new');
        for (const step of STEPS) expect([...found.keys()]).toContain(step);
        for (const [step, length] of found) lengths.set(step, length);
      }),
    TIMEOUT_MS,
  );

  it.each(Array.from({ length: KILLS }, (_, index) => STEPS[index % STEPS.length] as string))(
    'killed in the step “%s” leaves the old service or the new one',
    (step) =>
      inRound(async (round) => {
        const { installation, words } = await prepare(round);
        const after = Math.random() * (lengths.get(step) ?? 0);
        const killed = await run(installation, words, { step, after });
        const when = `killed ${after.toFixed(0)} ms after the begin of “${step}”`;
        // In a run that is quicker than the first, the moment may be after its end.
        expect([null, EXIT.ok], `${when}:\n${killed.stderr}`).toContain(killed.code);
        const resumed = await installation.run('resume');
        expect([resumed.code, resumed.stderr], when).toEqual([EXIT.ok, expect.anything()]);
        const found = await expectWhole(installation);
        process.stderr.write(`${when}: ${found}\n`);
        if (found === 'old') {
          const again = await run(installation, words);
          expect([again.code, again.stderr], when).toEqual([EXIT.ok, expect.anything()]);
          expect(await expectWhole(installation)).toBe('new');
        }
        const back = await installation.migrate('--back');
        expect([back.code, back.stderr], when).toEqual([EXIT.ok, expect.anything()]);
        expect(await onlineApps(installation)).toContain(OLD);
        await expectTheSame(installation);
      }),
    TIMEOUT_MS,
  );
});
