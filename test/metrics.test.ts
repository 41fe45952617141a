import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { GIB, MIB } from '../src/base/units.ts';
import { Metrics } from '../src/runtime/metrics/registry.ts';
import { startMetrics } from '../src/runtime/metrics/server.ts';
import { socketName } from '../src/runtime/supervisor/report.ts';
import type { Sample } from '../src/runtime/watch/sample.ts';
import { freePort } from './kit/ports.ts';
import { type Exposition, parseExposition } from './kit/prometheus.ts';
import { instanceOf, NOW, recordOf, START, sampleOf, usageOf, uvicornSample, workerOf } from './samples.ts';
import { temporaryFolder } from './temporary.ts';

async function scrape(metrics: Metrics, sample: Sample): Promise<Exposition> {
  metrics.update(sample);
  return parseExposition(await metrics.registry.metrics());
}

describe('the metrics', () => {
  it('follow Prometheus’ conventions', async () => {
    const { families } = await scrape(new Metrics(), sampleOf());
    expect(families.size).toBeGreaterThan(15);
    for (const [name, { type, help, samples }] of families) {
      // https://prometheus.io/docs/practices/naming/
      expect(name).toMatch(/^webui_tune_[a-z_]+$/);
      expect(name.endsWith('_total'), `${name} is a ${type}`).toBe(type === 'counter');
      expect(name).not.toMatch(/_(?:count|sum|bucket|ms|mib|kib|percent|milliseconds)(?:_|$)/);
      expect(help, name).toMatch(/\S.*\.$/);
      for (const { labels, value } of samples) {
        expect(Number.isFinite(value), name).toBe(true);
        // Those are Prometheus' own.
        for (const label of Object.keys(labels)) expect(['job', 'instance', 'le']).not.toContain(label);
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
    expect(uvicorn.value('preload_up')).toBeUndefined();
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
    const server = await startMetrics(join(folder, 'control.sock'), port);
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

  it('has nothing else', async () => {
    const url = await start();
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
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(answers.every(({ ok }) => ok)).toBe(true);
    // Connections are made one after the other: the last ones may come when the first look is over.
    expect(looks).toBeLessThan(5);
  });

  it('fails where its port is taken', async () => {
    const { port } = new URL(await start());
    await expect(startMetrics('/nowhere/control.sock', Number(port))).rejects.toThrow('EADDRINUSE');
  });
});
