/** The units as a user gets them, installed into a real systemd, with the real Open WebUI in their sandbox. */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { signal, untilGone } from '../../src/base/io/started.ts';
import { until } from '../../src/base/io/wait.ts';
import { isAlive, type ProcessInfo, programOf } from '../../src/base/machine/process-table.ts';
import { MIB } from '../../src/base/units.ts';
import { request } from '../../src/bench/client/http.ts';
import { startLoad } from '../../src/bench/client/load.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { wholeAnswer } from '../../src/bench/scratch/upstream.ts';
import { PlanSchema } from '../../src/plan/schema.ts';
import { PATIENCE_MS } from '../kit/patience.ts';
import { freePort } from '../kit/ports.ts';
import { createMigratedDatabase } from '../kit/postgres.ts';
import { type Exposition, parseExposition } from '../kit/prometheus.ts';
import { type Services, startServices } from '../kit/services.ts';
import { bootSystemd, type Systemd, saidOf, whyNoSystemd } from '../kit/systemd.ts';
import { renderUnits } from '../kit/units.ts';
import { useScope } from '../kit/vitest.ts';

const TIMEOUT_MS = 40_000;

const TARGET = 'open-webui.target';
const PRELOAD = 'open-webui-preload.service';
const METRICS = 'open-webui-metrics.service';
const WORKERS = ['open-webui@1.service', 'open-webui@2.service'];

/** So that the test of a supervisor that hangs takes seconds; the units have 60. */
const WATCHDOG_SECONDS = 3;

/** Answers in generation at a shutdown; each takes six seconds. */
const CHATS = 5;
const PACE = { tokens: 120, pauseMs: 50 };

/** Given, because what is available changes from one plan to the next. */
const MEMORY = '2GiB';

const missing = whyNoSystemd();
if (missing !== undefined) process.stderr.write(`skipped: the units in a real systemd. ${missing}\n`);

const scope = useScope();
let services: Services;
let folder: string;
let url: string;
let systemd: Systemd;
const units: Record<string, string> = {};
let ui: OpenWebui;
let memoryMax: number;
let metricsPort: number;

/** The Python workers, wherever they are in the tree: those of before a restart are nobody's children. */
async function pythonWorkers(): Promise<ProcessInfo[]> {
  const preload = await systemd.mainProcess(PRELOAD);
  return systemd.processes().filter(({ pid }) => pid !== preload.pid && programOf(pid).startsWith('python'));
}

const log = (unit: string) => readFileSync(join(folder, `${unit}.log`), 'utf8');

/** Lines of proc_pid_status(5). */
function statusOf({ pid }: ProcessInfo): Map<string, string> {
  const lines = readFileSync(`/proc/${pid}/status`, 'utf8').split('\n');
  return new Map(lines.map((line) => [line.split(':')[0] ?? '', line.split('\t')[1] ?? '']));
}

async function untilActive(units: readonly string[], timeoutMs: number): Promise<void> {
  for (const unit of units) {
    await until(async () => (await systemd.property(unit, 'ActiveState')) === 'active', {
      what: `${unit} is active`,
      timeoutMs,
    }).catch(async (cause) => {
      // What systemd itself says of it: a unit that never ran has no log.
      const status = await systemd.systemctl('status', '--full', unit).catch(saidOf);
      throw new Error(`${cause.message}\n${status}\n${log(unit).slice(-2000)}`, { cause });
    });
  }
}

async function untilReplaced(former: ProcessInfo[]): Promise<void> {
  await until(
    async () => {
      const now = await pythonWorkers();
      return now.length === WORKERS.length && !former.some(isAlive);
    },
    { what: 'all workers are new', timeoutMs: TIMEOUT_MS },
  );
}

async function scrape(): Promise<Exposition> {
  const { status, body } = await request(`http://127.0.0.1:${metricsPort}/metrics`);
  expect(status).toBe(200);
  return parseExposition(body);
}

/** What the tests do to two workers, in their order. */
const ONCE_EACH = { reload: 2, generation: 2, crash: 1, supervisor: 1 };

/** Waits until both workers serve, and as many were replaced for each reason; only a worker that serves is counted. */
async function untilCounted(replaced: Record<string, number>): Promise<void> {
  const counted = async () => {
    const { value } = await scrape();
    const restarts = (cause: string) =>
      ['1', '2'].reduce((sum, worker) => sum + (value('worker_restarts_total', { worker, cause }) ?? 0), 0);
    const found = Object.fromEntries(Object.keys(replaced).map((cause) => [cause, restarts(cause)]));
    const serving = value('workers', { state: 'serving' });
    if (serving === 2 && isDeepStrictEqual(found, replaced)) return true;
    throw new Error(`${serving} serve; replaced: ${JSON.stringify(found)}`);
  };
  await until(counted, { what: `replaced: ${JSON.stringify(replaced)}`, timeoutMs: TIMEOUT_MS });
}

beforeAll(async () => {
  if (missing !== undefined) return;
  services = await startServices(scope, createMigratedDatabase);
  metricsPort = await freePort();
  const asked = ['--workers', '2', '--memory', MEMORY, '--metrics', `${metricsPort}`];
  const rendered = await renderUnits(scope, services, ...asked);
  ({ folder, url } = rendered);
  const { out, cli } = rendered;
  const { memory } = PlanSchema.parse(JSON.parse(await cli('--json')));
  memoryMax = memory.budget - memory.services;

  for (const unit of [TARGET, PRELOAD, METRICS, 'open-webui@.service']) {
    units[unit] = readFileSync(join(out, unit), 'utf8');
  }
  // No journal is there to ask; what a unit logs is in a file instead.
  units[`${PRELOAD}.d/log.conf`] = `[Service]\nStandardOutput=append:${folder}/%n.log\n`;
  units['open-webui@.service.d/test.conf'] =
    `[Service]\nStandardOutput=append:${folder}/%n.log\nWatchdogSec=${WATCHDOG_SECONDS}\n`;
  systemd = await bootSystemd(scope, units);
  await systemd.systemctl('start', TARGET);
  await untilActive([PRELOAD, ...WORKERS], PATIENCE_MS);
  ui = await OpenWebui.signIn(url, services.admin);
});

describe.skipIf(missing !== undefined).sequential('in a real systemd', () => {
  it('starts with all workers, and each unit is active when its worker serves', async () => {
    expect((await request(`${url}/ready`)).status).toBe(200);
    expect(await pythonWorkers()).toHaveLength(2);
    expect(await systemd.property(PRELOAD, 'MemoryMax')).toBe(`${memoryMax}`);
    const status = /^worker \d+: \d+ MiB private, \d+ MiB shared, preload \w+, generation \w+$/;
    await until(async () => status.test(await systemd.property(WORKERS[0] as string, 'StatusText')), {
      what: 'systemctl status shows the figures of a worker',
      timeoutMs: TIMEOUT_MS,
    });
  });

  it('chats, and reads an upload, without any privilege', async () => {
    const page = await ui.connectSocket(scope);
    expect((await ui.chat(page, 'Hello')).text).not.toBe('');
    const { collection } = await ui.upload('hermit.txt', 'The hermit crab lives in a borrowed shell.');
    expect((await ui.query(collection, 'hermit crab')).join(' ')).toContain('borrowed shell');
    page.close();
    for (const process of await pythonWorkers()) {
      const status = statusOf(process);
      expect(status.get('NoNewPrivs')).toBe('1');
      expect(status.get('Seccomp')).toBe('2');
      expect(Number.parseInt(status.get('CapEff') ?? '', 16)).toBe(0);
    }
  });

  it('replaces its workers when they are reloaded, and loses no request', async () => {
    const former = await pythonWorkers();
    const load = startLoad({ url: `${url}/api/v1/chats/?page=1`, headers: ui.headers, connections: 4 });
    await systemd.systemctl('reload', ...WORKERS);
    await untilReplaced(former);
    const { answered, failures } = await load.stop();
    expect(failures).toEqual([]);
    expect(answered).toBeGreaterThan(0);
  });

  it('restarts the preload process under its workers, which follow, and loses no request', async () => {
    const former = await pythonWorkers();
    const load = startLoad({ url: `${url}/api/v1/chats/?page=1`, headers: ui.headers, connections: 4 });
    await systemd.systemctl('restart', PRELOAD);
    await untilReplaced(former);
    const { failures } = await load.stop();
    expect(failures).toEqual([]);
  });

  it('has another worker soon after one was killed', async () => {
    const [victim] = await pythonWorkers();
    if (!victim) throw new Error('there is no worker');
    signal(victim, 'SIGKILL');
    await untilReplaced([victim]);
    await untilActive(WORKERS, TIMEOUT_MS);
    await untilCounted({ ...ONCE_EACH, supervisor: 0 });
  });

  it('kills a supervisor that gives no sign of life, and has its worker replaced', async () => {
    const [unit] = WORKERS as [string];
    const former = await pythonWorkers();
    const supervisor = await systemd.mainProcess(unit);
    signal(supervisor, 'SIGSTOP');
    await untilGone([supervisor], TIMEOUT_MS);
    await untilActive([unit], TIMEOUT_MS);
    expect(await systemd.property(unit, 'NRestarts')).not.toBe('0');
    await until(async () => (await pythonWorkers()).length === 2 && former.some((one) => !isAlive(one)), {
      what: 'two workers, one of them new',
      timeoutMs: TIMEOUT_MS,
    });
    await untilCounted(ONCE_EACH);
    expect((await request(`${url}/ready`)).status).toBe(200);
  });

  it('tells Prometheus what each worker uses, and why workers were replaced', async () => {
    const { value } = await scrape();
    const worker = (name: string, more = {}) =>
      ['1', '2'].map((number) => value(`worker_${name}`, { worker: number, ...more }) ?? 0);
    for (const bytes of worker('private_memory_bytes')) expect(bytes).toBeGreaterThan(10 * MIB);
    for (const requests of worker('requests_total')) expect(requests).toBeGreaterThan(0);
    // Twice the same: it counts what happens, not how often it is asked.
    await untilCounted(ONCE_EACH);
  });

  it('completes the answers in generation when the machine is shut down, and serves after the next boot', async () => {
    const { upstream } = services;
    upstream.pace = PACE;
    const prompts = Array.from({ length: CHATS }, (_, index) => `shutdown${index}`);
    const begun = upstream.tokens;
    const chats = await Promise.all(
      prompts.map((prompt) => ui.post({ socket: { id: randomUUID() } }, prompt)),
    );
    await until(() => upstream.tokens - begun > CHATS, {
      what: 'the answers are in generation',
      timeoutMs: TIMEOUT_MS,
    });
    const atShutdown = upstream.tokens - begun;
    await systemd.powerOff(TIMEOUT_MS);
    // Otherwise nothing was in generation, and nothing is shown.
    expect(atShutdown).toBeLessThan(CHATS * PACE.tokens * 0.9);
    await expect(request(`${url}/ready`)).rejects.toThrow('ECONNREFUSED');
    systemd = await bootSystemd(scope, units);
    await systemd.systemctl('start', TARGET);
    await untilActive([PRELOAD, ...WORKERS], PATIENCE_MS);
    const saved = await Promise.all(chats.map((chat) => ui.savedAnswer(chat)));
    expect(saved).toEqual(prompts.map((prompt) => wholeAnswer(prompt, PACE)));
    const page = await ui.connectSocket(scope);
    expect((await ui.chat(page, 'Hello')).text).toBe(wholeAnswer('Hello', PACE));
    page.close();
  });

  it('does not try again what cannot boot, and says why', async () => {
    await systemd.systemctl('stop', TARGET);
    await until(() => systemd.processes().length === 0, { what: 'nothing is left', timeoutMs: TIMEOUT_MS });
    expect(existsSync(join(folder, 'data', 'uploads'))).toBe(true);
    writeFileSync(join(folder, 'open-webui.env'), 'DATABASE_URL=nonsense\n', { mode: 0o600 });
    await systemd.systemctl('start', PRELOAD).catch(() => undefined);
    await until(async () => (await systemd.property(PRELOAD, 'ActiveState')) === 'failed', {
      what: 'the preload unit has failed',
      timeoutMs: TIMEOUT_MS,
    });
    expect(await systemd.property(PRELOAD, 'ExecMainStatus')).toBe('78');
    expect(await systemd.property(PRELOAD, 'NRestarts')).toBe('0');
    expect(log(PRELOAD)).toContain('DATABASE_URL');
  });
});
