/** What Open WebUI's chart renders of our values, played as pods by podman: two pods of two workers behind one nginx. */
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { until } from '../../src/base/io/wait.ts';
import { commandLine, type ProcessInfo } from '../../src/base/machine/process-table.ts';
import { formatBytes } from '../../src/base/units.ts';
import { request } from '../../src/bench/client/http.ts';
import { startLoad } from '../../src/bench/client/load.ts';
import type { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { wholeAnswer } from '../../src/bench/scratch/upstream.ts';
import { GRACE_SECONDS } from '../../src/plan/pods.ts';
import { APPS, WORKER_PROCESS } from '../../src/runtime/contract.ts';
import { chatAtOneWorker } from '../kit/across.ts';
import { connectionsOf } from '../kit/compose.ts';
import { type Asked, generateAnswers } from '../kit/generating.ts';
import { PATIENCE_MS } from '../kit/patience.ts';
import { whyNoPodman } from '../kit/podman.ts';
import { PlayedPods, type Pod } from '../kit/pods.ts';
import { CHART, chartValues, PODS, WORKERS_PER_POD } from '../kit/rendered-chart.ts';
import { useScope } from '../kit/vitest.ts';

const REQUESTS = 1_000;
const ANSWERS = 10;
/** Longer than requests still reach a pod that ends, and within its drain after that: 15 s. */
const PACE = { tokens: 150, pauseMs: 100 };
/** Of three pods, one after the other: a net alone. */
const BOOTS_TIMEOUT_MS = 900_000;
/** Of the memory that a pod's plan predicts. */
const TOLERANCE = 0.15;
const TEXT = 'The lighthouse keeper counts the ships that pass at night.';

const missing = whyNoPodman();
if (missing !== undefined) process.stderr.write(`skipped: the chart's pods. ${missing}\n`);
else if (!CHART)
  process.stderr.write(
    'the pods are of the kept rendering: WEBUI_TUNE_CHART names no checkout of the chart\n',
  );

const scope = useScope();
let cluster: PlayedPods;
let ui: OpenWebui;
let migrating: Pod;
let migrationLog: string;

function workersOf(pod: Pod): ProcessInfo[] {
  return cluster.processes(pod).filter(({ name }) => name === WORKER_PROCESS);
}

/** A pod is ready with its first worker; PM2 in the pod knows of the others. */
async function untilAllServe(pod: Pod): Promise<void> {
  const online = async () =>
    (await cluster.apps(pod)).filter(({ name, status }) => name === APPS.cluster && status === 'online');
  await until(async () => (await online()).length === WORKERS_PER_POD, {
    what: `all workers of ${pod.name} serve`,
    timeoutMs: PATIENCE_MS,
    intervalMs: 1_000,
  });
}

/** A rolling update by one pod at a time: the new pod is ready before the old one hears that it is to end. */
async function replace(old: Pod, variables: Record<string, string>): Promise<{ pod: Pod; code: number }> {
  const pod = await cluster.start(variables);
  await cluster.route([...cluster.serving, pod]);
  return { pod, code: await end(old) };
}

/** Kubernetes tells the pod that it is to end, and everybody else at the same time: requests still reach it. */
async function end(old: Pod, load?: ReturnType<typeof startRequests>): Promise<number> {
  const ending = cluster.end(old);
  await load?.proceed(20);
  await cluster.route(cluster.serving.filter(({ name }) => name !== old.name));
  const code = await ending;
  await cluster.remove(old);
  return code;
}

/** A connection of its own for each: nginx closes idle ones when it hears of other pods. */
function startRequests() {
  const url = `${cluster.url}/api/v1/chats/?page=1`;
  const load = startLoad({ url, headers: ui.headers, connections: 8, reconnect: true, timeoutMs: 30_000 });
  // Also where the test fails before that.
  onTestFinished(async () => {
    await load.stop();
  });
  return load;
}

/** Asks so many questions, and returns once each answer is being generated. */
function generate(name: string): Promise<Asked[]> {
  const { upstream } = cluster;
  upstream.pace = PACE;
  const prompts = Array.from({ length: ANSWERS }, (_, index) => `${name}${index}`);
  return generateAnswers(scope, ui, upstream, prompts);
}

async function expectSaved(asked: readonly Asked[]): Promise<void> {
  const answers = () => Promise.all(asked.map((each) => ui.savedAnswer(each)));
  const whole = asked.map(({ prompt }) => wholeAnswer(prompt, PACE));
  // Those of a pod that stays may still be on their way.
  await until(async () => JSON.stringify(await answers()) === JSON.stringify(whole), {
    what: 'all answers are saved',
    timeoutMs: 30_000,
    intervalMs: 500,
  }).catch(() => undefined);
  expect(await answers()).toEqual(whole);
}

function report(text: string): void {
  process.stderr.write(`pods: ${text}\n`);
}

describe.skipIf(missing !== undefined).sequential('two pods of the rendered chart', () => {
  beforeAll(async () => {
    cluster = await PlayedPods.create(scope);
    // The two steps of an installation: one pod migrates, then all are rolled out.
    migrating = await cluster.start({ ENABLE_DB_MIGRATIONS: 'True' });
    await cluster.route([migrating]);
    migrationLog = await cluster.log(migrating);
    const pods = [await cluster.start(), await cluster.start()];
    await cluster.route([migrating, ...pods]);
    await end(migrating);
    for (const pod of pods) await untilAllServe(pod);
    ui = await cluster.signIn();
  }, BOOTS_TIMEOUT_MS);

  it('serve what one pod has migrated', async () => {
    const { version } = JSON.parse((await request(`${cluster.url}/api/version`)).body) as { version: string };
    expect(version).toBe('0.12.4');
    expect(cluster.serving).toHaveLength(PODS);
    const upgrades = migrationLog.match(/Running upgrade .*/g) ?? [];
    expect(upgrades.length).toBeGreaterThan(10);
    expect(new Set(upgrades).size).toBe(upgrades.length);
    for (const pod of cluster.serving) expect(await cluster.log(pod)).not.toContain('Running upgrade');
  });

  it('stream answers across pods and workers to pages that others hold', async () => {
    const pages = await Promise.all(Array.from({ length: 16 }, () => ui.connectSocket(scope)));
    for (const pod of cluster.serving) {
      const held = workersOf(pod).map(({ pid }) => connectionsOf(pid));
      expect(held.filter((count) => count > 0).length, `${pod.name}: ${held}`).toBe(WORKERS_PER_POD);
    }
    const { shown, whole } = await chatAtOneWorker(ui, pages, cluster.upstream);
    expect(shown).toEqual(whole);
  });

  it('share documents', async () => {
    const file = await ui.upload('lighthouse.txt', TEXT);
    for (const pod of cluster.serving) {
      const all = [...cluster.serving];
      await cluster.route([pod]);
      expect(await ui.query(file.collection, 'who counts the ships?')).toEqual([TEXT]);
      await cluster.route(all);
    }
  });

  it('take the memory that was planned', async () => {
    const load = startRequests();
    await load.proceed(REQUESTS);
    const { pods } = chartValues();
    const predicted = pods.cluster?.memory.predicted ?? 0;
    const measured = cluster.serving.map((pod) => ({ pod: pod.name, ...cluster.memory(pod) }));
    const { failures, perSecond } = await load.stop();
    expect(failures).toEqual([]);
    report(`planned ${formatBytes(predicted)}; ${Math.round(perSecond)} requests/s`);
    for (const { pod, taken, workingSet, pss, limit, workers } of measured) {
      report(
        `${pod}: ${formatBytes(pss)} by Pss (workers ${workers.map(formatBytes).join(', ')} private); its cgroup has ` +
          `${formatBytes(taken)} without page cache, working set ${formatBytes(workingSet)}`,
      );
      expect(limit).toBe(pods.limit);
      expect(pss / predicted, pod).toBeGreaterThan(1 - TOLERANCE);
      expect(pss / predicted, pod).toBeLessThan(1 + TOLERANCE);
      expect(taken, pod).toBeLessThan((1 + TOLERANCE) * predicted);
    }
  });

  it('lose no request and no answer when one of them is deleted', async () => {
    const [victim, other] = cluster.serving;
    if (!victim || !other) throw new Error('there are no two pods');
    const load = startRequests();
    await load.proceed(REQUESTS / 10);
    await cluster.route([victim]);
    const asked = await generate('delete');
    await cluster.route([victim, other]);
    const from = performance.now();
    const code = await end(victim, load);
    const seconds = (performance.now() - from) / 1000;
    await load.proceed(REQUESTS);
    const { failures, failed, answered } = await load.stop();
    report(
      `deleted: ended in ${seconds.toFixed(1)} s with ${code}, ${failed} of ${answered} requests failed`,
    );
    expect(failures).toEqual([]);
    expect(failed).toBe(0);
    expect(answered).toBeGreaterThan(REQUESTS);
    // Nobody had to kill it.
    expect([0, 2]).toContain(code);
    expect(seconds).toBeLessThan(GRACE_SECONDS);
    await expectSaved(asked);
    const pod = await cluster.start();
    await cluster.route([...cluster.serving, pod]);
  });

  it(
    'lose nothing when a setting is rolled out',
    async () => {
      const load = startRequests();
      await load.proceed(REQUESTS / 10);
      const asked = await generate('roll');
      for (const old of [...cluster.serving]) {
        const { pod, code } = await replace(old, { WEBUI_NAME: 'rolled' });
        expect([0, 2]).toContain(code);
        await untilAllServe(pod);
      }
      await load.proceed(REQUESTS / 10);
      const { failures, failed, answered } = await load.stop();
      report(`rolled out: ${failed} of ${answered} requests failed`);
      expect(failures).toEqual([]);
      expect(answered).toBeGreaterThan(REQUESTS);
      await expectSaved(asked);
      const { name } = JSON.parse((await request(`${cluster.url}/api/config`)).body) as { name: string };
      expect(name).toContain('rolled');
    },
    BOOTS_TIMEOUT_MS,
  );

  it('show no secret in a process title', () => {
    const titles = cluster.serving
      .flatMap((pod) => cluster.processes(pod))
      .map(({ pid }) => commandLine(pid).join(' '))
      .join('\n');
    expect(titles).toContain('pm2-runtime');
    for (const secret of Object.values(cluster.secrets)) expect(titles).not.toContain(secret);
  });
});
