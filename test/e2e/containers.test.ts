/** The rendered Compose file, started by Compose itself, with podman in the place of Docker. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signal, untilGone } from '../../src/base/io/started.ts';
import { until } from '../../src/base/io/wait.ts';
import { readMemory } from '../../src/base/machine/process-memory.ts';
import { commandLine, isAlive, type ProcessInfo } from '../../src/base/machine/process-table.ts';
import { formatBytes, MIB } from '../../src/base/units.ts';
import { request } from '../../src/bench/client/http.ts';
import { startLoad } from '../../src/bench/client/load.ts';
import type { OpenWebui, PageSocket, UploadedFile } from '../../src/bench/client/open-webui.ts';
import { isUvicornWorker } from '../../src/bench/contest/theirs.ts';
import { wholeAnswer } from '../../src/bench/scratch/upstream.ts';
import { WORKER_PROCESS } from '../../src/runtime/contract.ts';
import { chatAtOneWorker } from '../kit/across.ts';
import { groupMemory } from '../kit/cgroup.ts';
import { ComposeProject, connectionsOf } from '../kit/compose.ts';
import { type Asked, generateAnswers } from '../kit/generating.ts';
import { PATIENCE_MS } from '../kit/patience.ts';
import { whyNoPodman } from '../kit/podman.ts';
import { useScope } from '../kit/vitest.ts';

const WORKERS = 4;
const ARGS = ['--workers', `${WORKERS}`];
const REQUESTS = 1_000;
const ANSWERS = 10;
/** stop_grace_period of the container: 60 s for answers, and 20 s. */
const STOP_SECONDS = 80;
/** Of four workers in one container, by what they share. */
const MOST_BYTES = { lean: 720 * MIB, whole: 1_150 * MIB };
const TEXT = 'The lighthouse keeper counts the ships that pass at night.';

const missing = whyNoPodman();
if (missing !== undefined) process.stderr.write(`skipped: the Compose file in containers. ${missing}\n`);

const scope = useScope();
let project: ComposeProject;
let ui: OpenWebui;

async function workers(): Promise<ProcessInfo[]> {
  return (await project.processes()).filter(({ name }) => name === WORKER_PROCESS);
}

/** Waits until none of those serves any more, and as many others do. */
async function untilReplaced(before: readonly ProcessInfo[]): Promise<void> {
  await until(
    async () => (await workers()).length === before.length && !before.some(isAlive) && (await isReady()),
    { what: 'all workers are new', timeoutMs: PATIENCE_MS, intervalMs: 200 },
  );
}

/** The container is healthy as soon as the first worker serves. */
async function untilServing(): Promise<void> {
  await until(async () => (await workers()).length === WORKERS && (await isReady()), {
    what: 'all workers serve',
    timeoutMs: PATIENCE_MS,
    intervalMs: 200,
  });
}

const openPages = () => Promise.all(Array.from({ length: 12 }, () => ui.connectSocket(scope)));

async function isReady(): Promise<boolean> {
  return (await request(`${project.url}/ready`)).status === 200;
}

function startRequests() {
  return startLoad({ url: `${project.url}/api/v1/chats/?page=1`, headers: ui.headers, connections: 12 });
}

/** Asks so many questions, and returns once each answer is being generated. */
function generate(name: string): Promise<Asked[]> {
  const { upstream } = project;
  upstream.pace = { tokens: 150, pauseMs: 40 };
  const prompts = Array.from({ length: ANSWERS }, (_, index) => `${name}${index}`);
  return generateAnswers(scope, ui, upstream, prompts);
}

const savedOf = (asked: readonly Asked[]) => Promise.all(asked.map((each) => ui.savedAnswer(each)));
const wholeOf = (asked: readonly Asked[]) =>
  asked.map(({ prompt }) => wholeAnswer(prompt, project.upstream.pace));

async function expectSaved(asked: readonly Asked[]): Promise<void> {
  expect(await savedOf(asked)).toEqual(wholeOf(asked));
}

/** Bytes without page cache, and the limit. */
async function memory(): Promise<{ taken: number; limit: number }> {
  const [{ pid } = { pid: 0 }] = await project.processes();
  const { used, pageCache, limit } = groupMemory(pid, await project.container());
  return { taken: used - pageCache, limit };
}

/** What the container takes after requests, without page cache and inside of its limit. */
async function memoryUnderLoad(what: string): Promise<number> {
  const load = startRequests();
  await load.proceed(REQUESTS);
  const { taken, limit } = await memory();
  expect((await load.stop()).failures).toEqual([]);
  report(`${what}: ${formatBytes(taken)} of ${formatBytes(limit)}`);
  expect(taken).toBeLessThan(limit);
  return taken;
}

/** Starts from empty volumes, as `args` say. */
async function startAnew(...args: string[]): Promise<void> {
  await project.compose('down', '--volumes');
  project.render([...ARGS, ...args]);
  await project.up();
  ui = await project.signIn();
}

function report(text: string): void {
  process.stderr.write(`containers: ${text}\n`);
}

/** Bytes that the forked workers have taken under load. */
let forked = 0;

describe.skipIf(missing !== undefined).sequential('the copy-on-write cluster in the image', () => {
  let file: UploadedFile;

  beforeAll(async () => {
    project = await ComposeProject.create(scope, ARGS);
    await project.up();
    ui = await project.signIn();
    await untilServing();
  });

  it('is the image’s Open WebUI, whose tables one process has made', async () => {
    const { version } = JSON.parse((await request(`${project.url}/api/version`)).body) as { version: string };
    expect(version).toBe('0.12.4');
    expect((await request(`${project.url}/`)).body).toContain('<!doctype html>');
    expect(await workers()).toHaveLength(WORKERS);
    const upgrades = (await project.log()).match(/Running upgrade .*/g) ?? [];
    expect(upgrades.length).toBeGreaterThan(10);
    expect(new Set(upgrades).size).toBe(upgrades.length);
  });

  it('streams answers from one worker to pages that others hold', async () => {
    const pages = await openPages();
    const held = (await workers()).map(({ pid }) => connectionsOf(pid));
    expect(held.filter((count) => count > 0).length, `${held}`).toBeGreaterThan(1);
    const { shown, whole } = await chatAtOneWorker(ui, pages, project.upstream);
    expect(shown).toEqual(whole);
  });

  it('takes a document, and finds it', async () => {
    file = await ui.upload('lighthouse.txt', TEXT);
    expect(await ui.query(file.collection, 'who counts the ships?')).toEqual([TEXT]);
  });

  it('is reloaded from outside of the container: no request is lost, and every answer is whole', async () => {
    const before = await workers();
    const load = startRequests();
    await load.proceed(REQUESTS / 10);
    const asked = await generate('reload');
    await Promise.all([project.exec('pm2', 'reload', 'open-webui'), load.proceed(REQUESTS)]);
    await untilReplaced(before);
    const { failures, failed, answered } = await load.stop();
    expect(failures).toEqual([]);
    expect(failed).toBe(0);
    expect(answered).toBeGreaterThan(REQUESTS);
    await expectSaved(asked);
  });

  it('replaces a worker that is killed', async () => {
    const before = await workers();
    const [victim] = before;
    if (!victim) throw new Error('no worker runs');
    signal(victim, 'SIGKILL');
    await until(async () => !isAlive(victim) && (await workers()).length === WORKERS, {
      what: 'another worker is there',
      timeoutMs: PATIENCE_MS,
    });
    expect(await isReady()).toBe(true);
  });

  it('stays inside of its memory limit under load, with what was planned', async () => {
    forked = await memoryUnderLoad(`${WORKERS} workers, lean`);
    expect(forked).toBeLessThan(MOST_BYTES.lean);
    for (const { pid } of await workers()) expect(readMemory(pid).private / MIB).toBeLessThan(150);
    expect(await project.log()).not.toContain('memory limit');
  });

  it('shows no secret in a process title', async () => {
    const titles = (await project.processes()).map(({ pid }) => commandLine(pid).join(' ')).join('\n');
    for (const secret of Object.values(project.secrets)) expect(titles).not.toContain(secret);
  });

  it('is restarted while answers are generated: they are saved', async () => {
    const asked = await generate('restart');
    const before = await project.processes();
    // Docker takes the container's own time. podman's Docker API takes none where none is given, and kills at once
    // (pkg/api/handlers/compat/containers_restart.go).
    await project.compose('restart', '--timeout', `${STOP_SECONDS}`, 'open-webui');
    await untilGone(before, PATIENCE_MS);
    await untilServing();
    await expectSaved(asked);
  });

  it('gets another tag of its image: one process migrates, and answers of the old container are saved', async () => {
    const asked = await generate('upgrade');
    // One migration behind, as the database of an older version would be.
    const [, from = '', to = ''] =
      [...(await project.log()).matchAll(/upgrade (\w+) -> (\w+)/g)].at(-1) ?? [];
    await project.compose(
      ...[
        'exec',
        '-T',
        'postgres',
        'psql',
        '--host=/var/run/postgresql',
        '--username=openwebui',
        '--command',
      ],
      `UPDATE alembic_version SET version_num = '${from}' WHERE version_num = '${to}'`,
    );
    const before = await project.container();
    await project.changeTag('0.12.5');
    // With podman, Compose makes all containers anew, and stops PostgreSQL first; Docker makes this one alone.
    await project.up('--no-deps', 'open-webui');
    expect(await project.container()).not.toBe(before);
    expect((await project.log()).match(/Running upgrade .*/g)).toHaveLength(1);
    await expectSaved(asked);
  });

  it('goes with down, and comes with up with the data still there', async () => {
    const asked = await generate('down');
    const before = await project.processes();
    await project.compose('down');
    await untilGone(before, PATIENCE_MS);
    await project.up();
    await expectSaved(asked);
    expect(await ui.query(file.collection, 'who counts the ships?')).toEqual([TEXT]);
  });
});

describe.skipIf(missing !== undefined).sequential('the whole app in the image', () => {
  beforeAll(async () => {
    await startAnew('--preload', 'app');
    await untilServing();
  });

  it('stays inside of its memory limit under load', async () => {
    expect(await project.log()).toContain('preloaded app');
    expect(await memoryUnderLoad(`${WORKERS} workers, with torch`)).toBeLessThan(MOST_BYTES.whole);
  });
});

/** Private memory of a process with all of Open WebUI. */
const IMPORTED_BYTES = 400 * MIB;

const hasImported = ({ pid }: ProcessInfo) => readMemory(pid).private > IMPORTED_BYTES;

/** The workers that uvicorn has started. */
const spawned = async () => (await project.processes()).filter(isUvicornWorker);

describe.skipIf(missing !== undefined).sequential('the image’s own workers (--runtime uvicorn)', () => {
  let file: UploadedFile;

  beforeAll(() => startAnew('--runtime', 'uvicorn'));

  afterAll(() => project.compose('down', '--volumes'));

  it('serve as a file of that form says, and none of them is killed in its import', async () => {
    const first = await spawned();
    expect(first).toHaveLength(WORKERS);
    // The container is healthy as soon as one serves.
    await until(() => first.every((worker) => !isAlive(worker) || hasImported(worker)), {
      what: 'all workers have imported Open WebUI',
      timeoutMs: PATIENCE_MS,
      intervalMs: 200,
    });
    expect(await spawned()).toEqual(first);
  });

  it('stream answers across workers, and share a document', async () => {
    const pages: PageSocket[] = [];
    // The worker that wakes first takes them all now and then.
    await until(
      async () => {
        pages.push(...(await openPages()));
        const held = (await spawned()).map(({ pid }) => connectionsOf(pid));
        return held.filter((count) => count > 0).length > 1;
      },
      { what: 'two workers hold pages', timeoutMs: PATIENCE_MS, intervalMs: 200 },
    );
    const { shown, whole } = await chatAtOneWorker(ui, pages, project.upstream);
    expect(shown).toEqual(whole);
    file = await ui.upload('lighthouse.txt', TEXT);
    expect(await ui.query(file.collection, 'who counts the ships?')).toEqual([TEXT]);
  });

  it('stay inside of their memory limit under load, with several times what forked ones take', async () => {
    const taken = await memoryUnderLoad(`UVICORN_WORKERS=${WORKERS}`);
    expect(taken).toBeGreaterThan(2 * forked);
  });

  it('come back with the data after a restart', async () => {
    const asked = await generate('stop');
    const before = await project.processes();
    await project.compose('restart', '--timeout', `${STOP_SECONDS}`, 'open-webui');
    await untilGone(before, PATIENCE_MS);
    await project.up('--no-recreate');
    const whole = wholeOf(asked);
    const count = (await savedOf(asked)).filter((text, index) => text === whole[index]).length;
    report(`UVICORN_WORKERS=${WORKERS}: ${count} of ${ANSWERS} answers are whole after a restart`);
    expect(await ui.query(file.collection, 'who counts the ships?')).toEqual([TEXT]);
  });
});
