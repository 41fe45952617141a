/** `webui-tune top` and the metrics: what they say of a cluster, against what is known from elsewhere. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { beforeAll, describe, expect, it } from 'vitest';
import { findPrometheus } from '../../scripts/prometheus.mjs';
import { dataHome } from '../../src/base/io/folders.ts';
import { signal } from '../../src/base/io/started.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { until } from '../../src/base/io/wait.ts';
import { readMemory, sumMemory } from '../../src/base/machine/process-memory.ts';
import { readProcess } from '../../src/base/machine/process-table.ts';
import { MIB } from '../../src/base/units.ts';
import { request } from '../../src/bench/client/http.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { makePdf } from '../../src/bench/samples/pdf.ts';
import { ALERTS } from '../../src/render/watching/alerts.ts';
import { backupStatePath, changeBackupState } from '../../src/runtime/backups/state.ts';
import { APPS, REQUEST_KINDS } from '../../src/runtime/contract.ts';
import { type TopReport, TopSchema } from '../../src/runtime/watch/schema.ts';
import { type Cluster, planCluster, planOf } from '../kit/cluster.ts';
import { dashboardQueries } from '../kit/dashboard.ts';
import { CLI } from '../kit/environment.ts';
import { freePort } from '../kit/ports.ts';
import { type Exposition, parseExposition } from '../kit/prometheus.ts';
import { type Prometheus, startPrometheus } from '../kit/prometheus-server.ts';
import { killWorker } from '../kit/recovery.ts';
import { useScope } from '../kit/vitest.ts';

const WORKERS = 2;
const HANG_SECONDS = 5;
const TIMEOUT_MS = 60_000;
/** Documents at once on two cores (plan/documents.ts). */
const AT_ONCE = 2;
/** For how long an event loop is made to stand still, below what a busy machine may do to it in between. */
const STANDSTILL_MS = 3_000;
/** Of the measurement (worker/loop_lag.py). */
const INTERVAL_MS = 50;
/** Milliseconds that a scrape may take on a machine that does other things too; Prometheus waits 10 s. */
const SCRAPE_MS = 3_000;

const hasPrometheus = findPrometheus() !== undefined;
if (!hasPrometheus)
  process.stderr.write('skipped: the dashboard and the alerts in Prometheus. It is missing\n');

const scope = useScope();
let cluster: Cluster;
let ui: OpenWebui;
let metricsPort: number;
/** Undefined where it is not installed. */
let prometheus: Prometheus | undefined;

beforeAll(async () => {
  const preset = join(await temporaryFolder(scope, 'preset'), 'quick.yaml');
  writeFileSync(preset, `hangSeconds: ${HANG_SECONDS}\n`);
  metricsPort = await freePort();
  cluster = await planCluster(scope, {
    workers: WORKERS,
    args: ['--metrics', `${metricsPort}`, '--preset', preset],
  });
  await cluster.pm2.start(cluster.ecosystemFile, '--only', `${APPS.preload},${APPS.cluster}`);
  await cluster.untilServing(WORKERS);
  await cluster.pm2.start(cluster.ecosystemFile, '--only', APPS.metrics);
  await until(() => scrape(), { what: 'the metrics are served', timeoutMs: TIMEOUT_MS });
  if (hasPrometheus) prometheus = await startPrometheus(scope, metricsPort);
  ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
});

function top(...args: string[]) {
  return execa(process.execPath, [CLI, 'top', cluster.ecosystemFile, ...args], {
    env: { HOME: join(cluster.folder, 'home'), TERM: 'xterm', NO_COLOR: '' },
  });
}

async function look(): Promise<TopReport> {
  const { stdout } = await top('--json', '--interval', '1.5');
  return TopSchema.parse(JSON.parse(stdout));
}

async function scrape(): Promise<Exposition> {
  const { status, body } = await request(`http://127.0.0.1:${metricsPort}/metrics`, { timeoutMs: SCRAPE_MS });
  if (status !== 200) throw new Error(`${status} ${body}`);
  return parseExposition(body);
}

/** A metric of all workers together. */
function sumOf({ families }: Exposition, name: string): number {
  const samples = families.get(`webui_tune_${name}`)?.samples ?? [];
  return samples.reduce((sum, { value }) => sum + value, 0);
}

/** Requests of the kind whose durations were counted. */
function countedOf({ families }: Exposition, kind: string): number {
  const samples = families.get('webui_tune_worker_request_duration_seconds')?.samples ?? [];
  return samples
    .filter(({ name, labels }) => name.endsWith('_count') && labels.kind === kind)
    .reduce((sum, { value }) => sum + value, 0);
}

const untilSum = (name: string, expected: number) =>
  until(
    async () => {
      const sum = sumOf(await scrape(), name);
      if (sum !== expected) throw new Error(`${name} is ${sum}`);
      return true;
    },
    { what: `${name} is ${expected}`, timeoutMs: TIMEOUT_MS, intervalMs: 100 },
  );

/** The worker of each instance, as PM2 was told. */
async function workerPids(): Promise<number[]> {
  return [...(await cluster.workerPids()).values()];
}

describe.sequential('webui-tune top', () => {
  it('tells the memory of each worker as the kernel does', async () => {
    const report = await look();
    const plan = await planOf(cluster);
    expect(report.workers.map(({ process }) => process?.pid).sort()).toEqual((await workerPids()).sort());
    for (const { process, memoryLimitBytes, state } of report.workers) {
      const memory = readMemory(process?.pid ?? 0);
      const told = process?.memory;
      expect(state).toBe('serving');
      expect(Math.abs((told?.privateBytes ?? 0) - memory.private)).toBeLessThan(3 * MIB);
      expect(Math.abs((told?.proportionalBytes ?? 0) - memory.pss)).toBeLessThan(0.05 * memory.pss);
      expect(Math.abs((told?.residentBytes ?? 0) - memory.rss)).toBeLessThan(0.05 * memory.rss);
      expect(memoryLimitBytes).toBe(Math.floor(plan.memory.workerLimit / MIB) * MIB);
    }
    const metrics = await cluster.pm2.list();
    const exporter = metrics.find(({ name }) => name === APPS.metrics)?.pid;
    const all = cluster.processes().filter(({ pid }) => pid !== exporter);
    expect(Math.abs(report.total.proportionalBytes - sumMemory(all).pss)).toBeLessThan(
      0.05 * sumMemory(all).pss,
    );
    expect(report).toMatchObject({ runtime: 'preload', openWebui: '0.12.4', preload: 'lean' });
    expect(report.generations).toHaveLength(1);
  });

  it('counts exactly the requests that were sent', async () => {
    const before = sumOf(await scrape(), 'worker_requests_total');
    for (let sent = 0; sent < 40; sent++) await request(`${cluster.url}/api/version`);
    await untilSum('worker_requests_total', before + 40);
    expect((await look()).total.requests).toBe(before + 40);
  });

  it('counts the sockets that are open', async () => {
    const pages = [
      await ui.connectSocket(scope),
      await ui.connectSocket(scope),
      await ui.connectSocket(scope),
    ];
    await untilSum('worker_websockets', 3);
    expect((await look()).total.webSockets).toBe(3);
    pages[0]?.close();
    await untilSum('worker_websockets', 2);
    for (const page of pages) page.close();
    await untilSum('worker_websockets', 0);
  });

  it('counts the answers that are being generated, and exactly their tokens', async () => {
    const usual = cluster.services.upstream.pace;
    cluster.services.upstream.pace = { tokens: 100, pauseMs: 100 };
    const page = await ui.connectSocket(scope);
    const before = sumOf(await scrape(), 'worker_tokens_total');
    const chats = Promise.all(['one', 'two', 'three'].map((prompt) => ui.chat(page, prompt)));
    await untilSum('worker_generating_answers', 3);
    expect((await look()).total.tokensPerSecond).toBeGreaterThan(5);
    await chats;
    await untilSum('worker_tokens_total', before + 300);
    await untilSum('worker_generating_answers', 0);
    cluster.services.upstream.pace = usual;
    page.close();
  });

  it('says for how long an event loop stood still', async () => {
    const [pid = 0] = await workerPids();
    const worker = readProcess(pid);
    if (!worker) throw new Error('no worker runs');
    const lag = async () =>
      (await look()).workers.find(({ process }) => process?.pid === pid)?.eventLoopLagMs ?? 0;
    expect(await lag()).toBeLessThan(STANDSTILL_MS);
    signal(worker, 'SIGSTOP');
    await sleep(STANDSTILL_MS);
    signal(worker, 'SIGCONT');
    const stood = async () => (await lag()) >= STANDSTILL_MS - INTERVAL_MS;
    await until(stood, { what: 'the standstill is told', timeoutMs: TIMEOUT_MS });
  });

  it('tells how many documents are processed, and how many wait', async () => {
    const ids = await Promise.all(
      [1, 2, 3].map((index) => ui.send(`${index}.pdf`, makePdf(100, index), 'application/pdf')),
    );
    const states = async () => {
      const { value } = await scrape();
      const [processing, waiting] = ['processing', 'waiting'].map((state) => value('documents', { state }));
      return processing === AT_ONCE && waiting === ids.length - AT_ONCE;
    };
    await until(states, { what: 'one document waits for the others', timeoutMs: TIMEOUT_MS, intervalMs: 50 });
    expect((await top('--once')).stdout).toMatch(/[12] documents?/);
    for (const id of ids) expect((await ui.processed(id)).status).toBe('completed');
    await untilSum('documents', 0);
  });

  it('measures CPU and requests a second', async () => {
    const before = sumOf(await scrape(), 'worker_cpu_seconds_total');
    const end = new AbortController();
    const load = (async () => {
      while (!end.signal.aborted) await ui.call('GET', '/api/v1/chats/?page=1');
    })();
    const report = await look();
    end.abort();
    await load;
    expect(report.total.requestsPerSecond).toBeGreaterThan(1);
    expect(report.total.cpuPercent).toBeGreaterThan(1);
    expect(sumOf(await scrape(), 'worker_cpu_seconds_total')).toBeGreaterThan(before);
  });

  it('tells that a worker was killed, by what, and for how long it was missing', async () => {
    const former = await scrape();
    const [victim] = cluster.pythonWorkers();
    if (!victim) throw new Error('no worker runs');
    await killWorker(cluster, victim);
    const { restarts, instances } = await look();
    expect(restarts).toHaveLength(1);
    expect(restarts[0]).toMatchObject({
      cause: 'crash',
      detail: expect.stringContaining('SIGKILL'),
      from: victim.pid,
    });
    expect(await workerPids()).toContain(restarts[0]?.to);
    expect(restarts[0]?.gapSeconds).toBeGreaterThan(0);
    expect(restarts[0]?.gapSeconds).toBeLessThan(30);
    expect(instances.flatMap(({ restarts }) => restarts.crash ?? [])).toEqual([1]);
    // What the dead worker had counted is not forgotten.
    for (const name of [
      'worker_requests_total',
      'worker_request_duration_seconds',
      'worker_database_wait_seconds',
    ]) {
      expect(sumOf(await scrape(), name)).toBeGreaterThanOrEqual(sumOf(former, name));
    }
  });

  it('is not kept waiting by a worker that hangs, shows it, and why it was replaced', async () => {
    const [pid = 0] = await workerPids();
    const worker = readProcess(pid);
    if (!worker) throw new Error('no worker runs');
    signal(worker, 'SIGSTOP');
    try {
      let longest = 0;
      await until(
        async () => {
          const started = performance.now();
          const exposition = await scrape();
          longest = Math.max(longest, performance.now() - started);
          return exposition.value('workers', { state: 'hanging' }) === 1;
        },
        { what: 'a worker is seen to hang', timeoutMs: TIMEOUT_MS },
      );
      expect(longest).toBeLessThan(SCRAPE_MS);
      await until(
        async () => {
          const { families } = await scrape();
          const samples = families.get('webui_tune_worker_restarts_total')?.samples ?? [];
          return samples.some(({ labels, value }) => labels.cause === 'hang' && value === 1);
        },
        { what: 'it is replaced', timeoutMs: TIMEOUT_MS },
      );
    } finally {
      signal(worker, 'SIGCONT');
    }
    await cluster.untilServing(WORKERS);
    expect((await look()).restarts[0]).toMatchObject({ cause: 'hang', from: pid });
  });

  it('goes on counting over a reload, and says that it was one', async () => {
    const former = await scrape();
    const before = sumOf(former, 'worker_requests_total');
    for (let sent = 0; sent < 10; sent++) await request(`${cluster.url}/api/version`);
    await cluster.pm2.reload(APPS.cluster);
    for (let sent = 0; sent < 10; sent++) await request(`${cluster.url}/api/version`);
    await untilSum('worker_requests_total', before + 20);
    expect(countedOf(await scrape(), 'api')).toBe(countedOf(former, 'api') + 20);
    const { restarts, workers, total } = await look();
    expect(workers.map(({ state }) => state)).toEqual(['serving', 'serving']);
    expect(total.requests).toBe(before + 20);
    expect(
      restarts
        .slice(0, 2)
        .map(({ cause, instance }) => `${cause} ${instance}`)
        .sort(),
    ).toEqual(['reload 0', 'reload 1']);
  });

  it('says that workers were replaced because the preload process is new', async () => {
    await cluster.pm2.restart(APPS.preload);
    await until(
      async () => {
        const { restarts } = await look();
        return restarts.filter(({ cause }) => cause === 'generation').length === WORKERS;
      },
      { what: 'all workers are of the new generation', timeoutMs: 2 * TIMEOUT_MS },
    );
    await cluster.untilServing(WORKERS);
    expect((await look()).generations).toHaveLength(1);
  });

  it('knows a worker whose supervisor was killed, and one that was stopped and started', async () => {
    const [instance] = await cluster.instances();
    const supervisor = readProcess(instance?.pid ?? 0);
    if (!supervisor) throw new Error('PM2 runs no instance');
    signal(supervisor, 'SIGKILL');
    await cluster.untilServing(WORKERS);
    await until(async () => (await look()).restarts[0]?.cause === 'supervisor', {
      what: 'the end of the supervisor is told',
      timeoutMs: TIMEOUT_MS,
    });
    await cluster.pm2.restart(APPS.cluster);
    await cluster.untilServing(WORKERS);
    const { restarts } = await look();
    expect(restarts.slice(0, 2).map(({ cause }) => cause)).toEqual(['restart', 'restart']);
  });

  it('prints a plain table into a pipe', async () => {
    const { stdout } = await top('--interval', '1');
    expect(stdout).not.toContain('\x1b');
    const rows = stdout.split('\n').filter((line) => /^\d\s+\d+\s+serving/.test(line));
    expect(rows).toHaveLength(WORKERS);
    expect(stdout).toMatch(/^restarts: .*1 hang/m);
  });

  it('says what is wrong with what was named', async () => {
    const missing = await execa(process.execPath, [CLI, 'top', '/nowhere.config.js'], { reject: false });
    expect(missing).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('there is no /nowhere') });
    const interval = await execa(process.execPath, [CLI, 'top', '--interval', '0'], { reject: false });
    expect(interval).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('0.5 to 3600') });
  });
});

describe.skipIf(!hasPrometheus).sequential('Prometheus', () => {
  const ask = async (expr: string) => {
    const values = await prometheus?.query(expr);
    return values?.filter(({ value }) => Number.isFinite(value)) ?? [];
  };

  it('has data for each query of the dashboard', async () => {
    const at = new Date().toISOString();
    const file = join(cluster.folder, 'home', 'backup.tar');
    writeFileSync(file, 'a backup');
    await changeBackupState(backupStatePath(dataHome({}, join(cluster.folder, 'home'))), () => ({
      schedule: 'daily',
      folder: cluster.folder,
      made: [{ file, at, bytes: 8, modified: 0, seconds: 1 }],
      failure: { at, reason: 'no space left', busy: false },
    }));
    await request(cluster.url);
    const queries = dashboardQueries('30m');
    const haveData = async () => {
      for (const { title, expr } of queries) {
        if ((await ask(expr)).length === 0) throw new Error(`${title}: ${expr}`);
      }
      return true;
    };
    await until(haveData, { what: 'each query has data', timeoutMs: TIMEOUT_MS });
    const kinds = await ask('sum by (kind) (webui_tune_worker_request_duration_seconds_count) > 0');
    expect(kinds.map(({ labels }) => labels.kind).sort()).toEqual([...REQUEST_KINDS].sort());
  });

  it('has seen that a worker was killed', async () => {
    const [crashes] = await ask('sum(webui_tune_worker_restarts_total{cause="crash"})');
    expect(crashes?.value).toBe(1);
  });

  it('takes all alerts, and tells of workers that were killed again and again', async () => {
    const firing = async () => {
      const rules = (await prometheus?.rules()) ?? [];
      expect(rules.map(({ name }) => name)).toEqual(ALERTS.map(({ name }) => name));
      const states = new Map(rules.map(({ name, state }) => [name, state]));
      return (
        rules.every(({ health }) => health === 'ok') &&
        states.get('OpenWebuiRestartsPileUp') === 'firing' &&
        states.get('OpenWebuiBackupFailed') === 'pending' &&
        states.get('OpenWebuiDown') === 'inactive'
      );
    };
    await until(firing, { what: 'the alert fires', timeoutMs: TIMEOUT_MS });
  });
});

describe.sequential('on a terminal', () => {
  /** Runs it in a terminal of that size until `isSeen`, then presses the keys; what the terminal was sent. */
  async function onTerminal(
    keys: string,
    isSeen: (output: string) => boolean,
    env: Record<string, string> = {},
  ): Promise<string> {
    const program = `stty cols 80 rows 24; exec ${process.execPath} ${CLI} top ${cluster.ecosystemFile} --interval 0.5`;
    const terminal = execa('script', ['--quiet', '--return', '--command', program, '/dev/null'], {
      env: { HOME: join(cluster.folder, 'home'), TERM: 'xterm', ...env },
      stdin: 'pipe',
    });
    let output = '';
    terminal.stdout.on('data', (data: Buffer) => {
      output += data.toString('utf8');
    });
    await until(() => isSeen(output), { what: 'the table is drawn', timeoutMs: TIMEOUT_MS });
    terminal.stdin.write(keys);
    // --return: its exit code is the program's.
    await terminal;
    return output;
  }

  const frames = (output: string) => output.split('\x1b[?2026h').slice(1);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a terminal obeys
  const plain = (frame: string) => frame.replace(/\x1b\[[?0-9;]*[A-Za-z]/g, '');

  it('draws in place, in 80 columns and 24 lines, and gives the terminal back at q', async () => {
    const output = await onTerminal('q', (seen) => frames(seen).length >= 3);
    expect(output).toContain('\x1b[?1049h');
    expect(output.trimEnd().endsWith('\x1b[?25h\x1b[?1049l')).toBe(true);
    for (const frame of frames(output.slice(0, output.lastIndexOf('\x1b[?25h')))) {
      // The terminal adds a carriage return of its own.
      const lines = plain(frame).split(/\r*\n/);
      expect(lines.length).toBeLessThanOrEqual(24);
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
      expect(frame).not.toContain('\x1b[2J');
    }
    expect(plain(frames(output).at(-2) ?? '')).toMatch(/0 +serving/);
    expect(output).toContain('\x1b[32m');
  });

  it('ends at Ctrl-C too, and has no colours where nobody wants them', async () => {
    const output = await onTerminal('\x03', (seen) => frames(seen).length >= 2, { NO_COLOR: '1' });
    expect(output.trimEnd().endsWith('\x1b[?25h\x1b[?1049l')).toBe(true);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a colour
    expect(output).not.toMatch(/\x1b\[\d+m/);
  });
});

describe.sequential('webui-tune metrics', () => {
  it('serves the same by hand, and says where a port is taken', async () => {
    const port = await freePort();
    const program = execa(process.execPath, [CLI, 'metrics', cluster.ecosystemFile, '--port', `${port}`], {
      env: { HOME: join(cluster.folder, 'home') },
    });
    scope.defer('webui-tune metrics', () => void program.kill('SIGKILL'));
    const body = await until(async () => (await request(`http://127.0.0.1:${port}/metrics`)).body, {
      what: 'the metrics are served',
      timeoutMs: TIMEOUT_MS,
    });
    const [own, other] = [parseExposition(body), await scrape()];
    expect([...own.families.keys()]).toEqual([...other.families.keys()]);
    expect(sumOf(own, 'worker_restarts_total')).toBe(sumOf(other, 'worker_restarts_total'));

    const taken = await execa(
      process.execPath,
      [CLI, 'metrics', cluster.ecosystemFile, '--port', `${port}`],
      {
        reject: false,
      },
    );
    expect(taken).toMatchObject({ exitCode: 7, stderr: expect.stringContaining(`port ${port}`) });
    program.kill('SIGTERM');
    expect((await program).exitCode).toBe(0);
  });

  it('shows in PM2 what each worker does', async () => {
    const counts = ['Requests', 'WebSockets', 'Answers being generated'];
    // A supervisor tells PM2 every few seconds, and knows the counts after its worker's first beat.
    await until(
      async () =>
        (await cluster.instances()).every(({ pm2_env }) => {
          const shown = Object.keys(pm2_env.axm_monitor);
          return counts.every((name) => shown.includes(name));
        }),
      { what: `pm2 describe shows ${counts.join(', ')} of each worker`, timeoutMs: TIMEOUT_MS },
    );
  });
});
