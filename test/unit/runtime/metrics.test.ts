import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { GIB, MIB } from '../../../src/base/units.ts';
import { changeBackupState } from '../../../src/runtime/backups/state.ts';
import { Metrics } from '../../../src/runtime/metrics/registry.ts';
import { startMetrics } from '../../../src/runtime/metrics/server.ts';
import { METRICS, PREFIX } from '../../../src/runtime/metrics/table.ts';
import { socketName } from '../../../src/runtime/supervisor/report.ts';
import type { Sample } from '../../../src/runtime/watch/sample.ts';
import { crowding } from '../../kit/crowding.ts';
import { freePort } from '../../kit/ports.ts';
import { type Exposition, parseExposition } from '../../kit/prometheus.ts';
import {
  durationsOf,
  instanceOf,
  NOW,
  recordOf,
  SCALE,
  START,
  sampleOf,
  usageOf,
  uvicornSample,
  workerOf,
} from '../../kit/samples.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

async function scrape(metrics: Metrics, sample: Sample): Promise<Exposition> {
  metrics.update(sample);
  return parseExposition(await metrics.registry.metrics());
}

describe('the metrics', () => {
  it('follow Prometheus’ conventions', async () => {
    const { families } = await scrape(new Metrics(), sampleOf());
    const ofCluster = Object.keys(METRICS).filter((name) => !name.startsWith('backup_'));
    expect([...families.keys()].sort()).toEqual(ofCluster.map((name) => `${PREFIX}${name}`).sort());
    for (const [name, { type, help, samples }] of families) {
      // https://prometheus.io/docs/practices/naming/
      expect(name).toMatch(/^webui_tune_[a-z_]+$/);
      expect(name.endsWith('_total'), `${name} is a ${type}`).toBe(type === 'counter');
      expect(name).not.toMatch(/_(?:count|sum|bucket|ms|mib|kib|percent|milliseconds)(?:_|$)/);
      expect(help, name).toMatch(/\S.*\.$/);
      for (const { labels, value } of samples) {
        expect(Number.isFinite(value), name).toBe(true);
        // Those are Prometheus' own.
        const own = type === 'histogram' ? ['job', 'instance'] : ['job', 'instance', 'le'];
        for (const label of Object.keys(labels)) expect(own).not.toContain(label);
      }
    }
  });

  it('tell what the sample says', async () => {
    const { value } = await scrape(new Metrics(), sampleOf());
    expect(value('cluster_info', { open_webui: '0.12.4', preload: 'lean', generation: 'a1b2c3' })).toBe(1);
    expect(value('preload_up')).toBe(1);
    expect(value('memory_bytes')).toBe(5 * 150 * MIB);
    expect(value('workers', { state: 'serving' })).toBe(2);
    expect(value('workers', { state: 'down' })).toBe(0);
    expect(value('worker_private_memory_bytes', { worker: '1' })).toBe(67 * MIB);
    expect(value('worker_private_memory_limit_bytes', { worker: '1' })).toBe(GIB);
    expect(value('worker_start_time_seconds', { worker: '1' })).toBe(START / 1000);
    expect(value('worker_requests_total', { worker: '0' })).toBe(1_200);
    expect(value('worker_websockets', { worker: '0' })).toBe(4);
    expect(value('worker_generating_answers', { worker: '0' })).toBe(2);
    expect(value('worker_silence_seconds', { worker: '0' })).toBe(0);
    expect(value('worker_event_loop_lag_seconds', { worker: '0' })).toBe(0.0125);
  });

  it('tell within which range workers come and go, and why their number changed', async () => {
    const metrics = new Metrics();
    const { value } = await scrape(metrics, sampleOf({ scale: SCALE }));
    expect([value('workers_least'), value('workers_most')]).toEqual([1, 4]);
    expect(value('workers_changes_total', { cause: 'busy' })).toBe(2);
    expect(value('workers_changes_total', { cause: 'lag' })).toBe(0);
    const { families } = await scrape(metrics, sampleOf());
    expect(families.get('webui_tune_workers_most')?.samples).toEqual([]);
    expect(families.get('webui_tune_workers_changes_total')?.samples).toEqual([]);
  });

  it('tell how much memory is left, and that the kernel killed for want of it', async () => {
    const { value } = await scrape(new Metrics(), sampleOf());
    expect(value('memory_limit_bytes')).toBe(4 * GIB);
    expect(value('memory_available_bytes')).toBe(GIB);
    expect(value('oom_kills_total')).toBe(1);
  });

  it('tell durations in the buckets that workers have counted them in', async () => {
    const durations = { api: durationsOf(3), database: durationsOf(0) };
    const { value, families } = await scrape(
      new Metrics(),
      sampleOf({ instances: [instanceOf('0', { durations }), instanceOf('1')] }),
    );
    const api = (le: string) =>
      value('worker_request_duration_seconds_bucket', { worker: '0', kind: 'api', le });
    expect(['0.001', '0.005', '60', '+Inf'].map(api)).toEqual([0, 3, 3, 4]);
    const of = { worker: '0', kind: 'api' };
    expect(value('worker_request_duration_seconds_sum', of)).toBeCloseTo(90.006);
    expect(value('worker_request_duration_seconds_count', of)).toBe(4);
    expect(value('worker_database_wait_seconds_count', { worker: '0' })).toBe(1);
    // The other one has told none.
    const workers = families
      .get('webui_tune_worker_database_wait_seconds')
      ?.samples.map(({ labels }) => labels.worker);
    expect(new Set(workers)).toEqual(new Set(['0']));
  });

  it('let no bucket go back when a worker, or what a supervisor knew, is lost', async () => {
    const metrics = new Metrics();
    const count = async (api: number[], since = START) => {
      const instances = [instanceOf('0', { durations: { api }, record: recordOf({ since }) })];
      const { value } = await scrape(metrics, sampleOf({ instances }));
      return value('worker_request_duration_seconds_count', { worker: '0', kind: 'api' });
    };
    expect(await count(durationsOf(7))).toBe(8);
    expect(await count(durationsOf(2))).toBe(8);
    expect(await count(durationsOf(9))).toBe(10);
    // Somebody has removed the record: counting begins anew.
    expect(await count(durationsOf(1), NOW)).toBe(2);
  });

  it('tell of documents, and count the memory of their processes', async () => {
    const documents = { processes: [usageOf(300), usageOf(301)], waiting: 3 };
    const { value } = await scrape(new Metrics(), sampleOf({ documents }));
    expect(value('documents', { state: 'processing' })).toBe(2);
    expect(value('documents', { state: 'waiting' })).toBe(3);
    expect(value('memory_bytes')).toBe(7 * 150 * MIB);
  });

  it('count the tokens of a worker and of its successor', async () => {
    const metrics = new Metrics();
    const tokens = async (pid: number, count: number | undefined) => {
      const stats = { heardAt: NOW, requests: 1, active: 0, sockets: 0, generating: 0 };
      const counted = { ...stats, ...(count !== undefined && { tokens: count }) };
      const sample = sampleOf({ workers: [workerOf('0', pid, { stats: counted })] });
      return (await scrape(metrics, sample)).value('worker_tokens_total', { worker: '0' });
    };
    expect([await tokens(200, 100), await tokens(200, 130), await tokens(202, 5)]).toEqual([100, 130, 135]);
    expect(await tokens(202, undefined)).toBeUndefined();
  });

  it('count restarts by cause from 0 on, so that the first one shows as an increase', async () => {
    const metrics = new Metrics();
    const before = await scrape(metrics, sampleOf());
    expect(before.value('worker_restarts_total', { worker: '0', cause: 'crash' })).toBe(0);
    const record = recordOf({ restarts: { crash: 2, memory: 1 }, failedStarts: 3 });
    const after = await scrape(metrics, sampleOf({ instances: [instanceOf('0', { record })] }));
    expect(after.value('worker_restarts_total', { worker: '0', cause: 'crash' })).toBe(2);
    expect(after.value('worker_failed_starts_total', { worker: '0' })).toBe(3);
  });

  it('let no counter go back when a worker is replaced', async () => {
    const metrics = new Metrics();
    const at = async (pid: number, cpuSeconds: number, requests: number) =>
      scrape(
        metrics,
        sampleOf({
          workers: [workerOf('0', pid, { usage: usageOf(pid, { cpuSeconds }) })],
          instances: [instanceOf('0', { requests })],
        }),
      );
    const read = ({ value }: Exposition) => [
      value('worker_cpu_seconds_total', { worker: '0' }),
      value('worker_requests_total', { worker: '0' }),
    ];
    expect(read(await at(200, 10, 100))).toEqual([10, 100]);
    expect(read(await at(200, 14, 150))).toEqual([14, 150]);
    // Its requests are not in its record yet.
    expect(read(await at(300, 2, 20))).toEqual([16, 150]);
    expect(read(await at(300, 3, 180))).toEqual([17, 180]);
  });

  it('count the CPU of a worker once, also where its supervisor did not answer for a while', async () => {
    const metrics = new Metrics();
    const seen = (cpuSeconds: number) =>
      sampleOf({ workers: [workerOf('0', 200, { usage: usageOf(200, { cpuSeconds }) })] });
    await scrape(metrics, seen(10));
    await scrape(metrics, sampleOf({ workers: [{ instance: '0', state: 'running' }] }));
    const { value } = await scrape(metrics, seen(12));
    expect(value('worker_cpu_seconds_total', { worker: '0' })).toBe(12);
  });

  it('tell the memory of the worker that serves, and what both of an instance do', async () => {
    const workers = [
      workerOf('0', 199, { state: 'draining', usage: usageOf(199, { startedAt: START - 5_000 }) }),
      workerOf('0', 200),
    ];
    const { value } = await scrape(new Metrics(), sampleOf({ workers }));
    expect(value('worker_start_time_seconds', { worker: '0' })).toBe(START / 1000);
    expect(value('worker_generating_answers', { worker: '0' })).toBe(4);
    expect(value('workers', { state: 'draining' })).toBe(1);
  });

  it('forget what is no more, and say nothing of what is not known', async () => {
    const metrics = new Metrics();
    await scrape(metrics, sampleOf());
    const { value } = await scrape(metrics, {
      ...sampleOf({ workers: [{ instance: '1', state: 'down' }], instances: [instanceOf('1')] }),
      at: NOW + 15_000,
    });
    expect(value('worker_private_memory_bytes', { worker: '0' })).toBeUndefined();
    expect(value('worker_private_memory_bytes', { worker: '1' })).toBeUndefined();
    expect(value('workers', { state: 'down' })).toBe(1);
    expect(value('worker_cpu_seconds_total', { worker: '1' })).toBe(10);

    const uvicorn = await scrape(new Metrics(), uvicornSample());
    for (const name of ['preload_up', 'memory_limit_bytes', 'memory_available_bytes', 'oom_kills_total']) {
      expect(uvicorn.value(name), name).toBeUndefined();
    }
    expect(uvicorn.value('worker_requests_total', { worker: '0' })).toBeUndefined();
    expect(uvicorn.value('worker_private_memory_bytes', { worker: '0' })).toBe(67 * MIB);
  });
});

describe('their server', () => {
  const closers: (() => void)[] = [];
  afterEach(() => {
    for (const close of closers.splice(0)) close();
  });

  async function start(folder = temporaryFolder()): Promise<string> {
    const port = await freePort();
    const server = await startMetrics(join(folder, 'control.sock'), port, join(folder, 'backups.json'));
    closers.push(() => {
      server.close();
      server.closeAllConnections();
    });
    expect(server.address()).toMatchObject({ address: '127.0.0.1' });
    return `http://127.0.0.1:${port}`;
  }

  it('answers with the text format, also where nothing runs', async () => {
    const answer = await fetch(`${await start()}/metrics`);
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const { value } = parseExposition(await answer.text());
    expect(value('preload_up')).toBe(0);
    expect(value('workers', { state: 'serving' })).toBe(0);
  });

  it('says how old and large the last good backup is, and why the last attempt failed', async () => {
    const folder = temporaryFolder({ 'b.tar': 'x' });
    const [file, at] = [join(folder, 'b.tar'), '2026-01-01T03:00:10.000Z'];
    const path = join(folder, 'backups.json');
    const url = await start(folder);
    const scrape = async () => parseExposition(await (await fetch(`${url}/metrics`)).text()).value;
    expect((await scrape())('backup_last_success_timestamp_seconds')).toBeUndefined();
    await changeBackupState(path, () => ({
      schedule: 'daily',
      folder,
      made: [{ file, at, bytes: 123, modified: 0, seconds: 4.5 }],
      failure: { at: '2026-01-02T03:00:00.000Z', reason: 'no space left\nat all', busy: false },
    }));
    const value = await scrape();
    expect(value('backup_last_success_timestamp_seconds')).toBe(Date.parse(at) / 1000);
    expect(value('backup_last_success_bytes')).toBe(123);
    expect(value('backup_overdue')).toBe(1);
    expect(value('backup_last_success_duration_seconds')).toBe(4.5);
    expect(value('backup_last_failure_timestamp_seconds', { reason: 'no space left' })).toBe(
      Date.parse('2026-01-02T03:00:00.000Z') / 1000,
    );
    // Somebody has deleted it: then there is none, and what was is not told.
    rmSync(file);
    await changeBackupState(path, (state) => ({ schedule: 'daily', folder, made: state?.made ?? [] }));
    const later = await scrape();
    expect(later('backup_last_success_timestamp_seconds')).toBe(0);
    expect(later('backup_last_success_bytes')).toBeUndefined();
    expect(later('backup_last_failure_timestamp_seconds', { reason: 'no space left' })).toBeUndefined();
  });

  it.each([
    ['127.0.0.1:9464', 200],
    ['localhost', 200],
    ['[::1]:9464', 200],
    ['evil.example:9464', 403],
    ['127.0.0.1.evil.example', 403],
  ])('to a request for %s: %i', async (host, status) => {
    const { port } = new URL(await start());
    const [answer] = (await once(get({ port, path: '/metrics', headers: { host } }), 'response')) as [
      IncomingMessage,
    ];
    answer.resume();
    expect(answer.statusCode).toBe(status);
  });

  it('has nothing else', async () => {
    const url = await start();
    expect((await fetch(`${url}//`)).status).toBe(404);
    expect((await fetch(`${url}/`)).status).toBe(404);
    expect((await fetch(`${url}/metrics`, { method: 'POST' })).status).toBe(405);
  });

  it('answers many at once with one look, and waits for no supervisor that hangs', async () => {
    const folder = temporaryFolder();
    let looks = 0;
    const supervisor = createServer(() => {
      looks += 1;
    });
    closers.push(() => supervisor.close());
    await new Promise<void>((resolve) =>
      supervisor.listen(join(folder, socketName('0', process.pid)), resolve),
    );
    const url = await start(folder);
    const started = performance.now();
    const answers = await Promise.all(Array.from({ length: 20 }, () => fetch(`${url}/metrics`)));
    expect(performance.now() - started).toBeLessThan(2_000 * crowding());
    expect(answers.every(({ ok }) => ok)).toBe(true);
    // Connections are made one after the other: the last ones may come when the first look is over.
    expect(looks).toBeLessThan(5);
  });

  it('fails where its port is taken', async () => {
    const { port } = new URL(await start());
    await expect(
      startMetrics('/nowhere/control.sock', Number(port), '/nowhere/backups.json'),
    ).rejects.toThrow('EADDRINUSE');
  });
});
