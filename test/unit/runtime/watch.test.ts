import { spawn } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { readUsage } from '../../../src/base/machine/usage.ts';
import { GIB, KIB, MIB } from '../../../src/base/units.ts';
import { DOCUMENT_PROCESS } from '../../../src/runtime/contract.ts';
import { writeTold } from '../../../src/runtime/scale/told.ts';
import { encode } from '../../../src/runtime/supervisor/frames.ts';
import { History, markSpare, processName } from '../../../src/runtime/supervisor/history.ts';
import { type SupervisorReport, socketName } from '../../../src/runtime/supervisor/report.ts';
import { compare } from '../../../src/runtime/watch/compare.ts';
import { readDocuments, takeSample } from '../../../src/runtime/watch/sample.ts';
import { TopSchema } from '../../../src/runtime/watch/schema.ts';
import { crowding } from '../../kit/crowding.ts';
import {
  durationsOf,
  instanceOf,
  NOW,
  recordOf,
  SCALE,
  sampleOf,
  usageOf,
  uvicornSample,
  workerOf,
} from '../../kit/samples.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

describe('what a process uses', () => {
  it('is read from the kernel’s files, whatever its name is', () => {
    const root = temporaryFolder({
      'proc/stat': 'cpu 1 2 3\nbtime 1700000000\n',
      'proc/7/stat': '7 (a) R 9) S 3 7 7 0 -1 0 0 0 0 0 250 50 0 0 20 0 1 0 12345 0 0\n',
      'proc/7/smaps_rollup':
        'Rss: 900 kB\nPss: 500 kB\nShared_Clean: 100 kB\nShared_Dirty: 200 kB\nPrivate_Clean: 40 kB\nPrivate_Dirty: 60 kB\n',
    });
    expect(readUsage(root, 7)).toEqual({
      pid: 7,
      ppid: 3,
      startedAt: 1_700_000_123_450,
      cpuSeconds: 3,
      memory: { private: 100 * KIB, shared: 300 * KIB, pss: 500 * KIB, rss: 900 * KIB },
    });
  });

  it('is unknown where there is no such process, or only its exit status', () => {
    const root = temporaryFolder({ 'proc/8/stat': '8 (gone) Z 3 7 7 0\n' });
    expect([readUsage(root, 7), readUsage(root, 8)]).toEqual([undefined, undefined]);
  });

  it('has no memory where we may not look', () => {
    const root = temporaryFolder({
      'proc/7/stat': '7 (a) S 3 7 7 0 -1 0 0 0 0 0 250 50 0 0 20 0 1 0 1 0 0\n',
    });
    expect(readUsage(root, 7)).not.toHaveProperty('memory');
  });
});

describe('compare', () => {
  const earlier = sampleOf({
    at: NOW - 2_000,
    workers: [
      workerOf('0', 200, {
        usage: usageOf(200, { cpuSeconds: 9 }),
        stats: { heardAt: NOW - 2_000, requests: 980, active: 0, sockets: 4, generating: 2, tokens: 5_900 },
      }),
    ],
  });

  it('takes rates over the time between two samples, and between two beats', () => {
    const report = compare([earlier], sampleOf());
    expect(report.seconds).toBe(2);
    expect(report.workers[0]).toMatchObject({
      requestsPerSecond: 10,
      tokensPerSecond: 50,
      eventLoopLagMs: 12.5,
      process: { cpuPercent: 50 },
    });
    // One that has come since then, with ten seconds of CPU behind it.
    expect(report.workers[1]).not.toHaveProperty('requestsPerSecond');
    expect(report.workers[1]).toMatchObject({ process: { cpuPercent: 500 } });
  });

  it('goes back as far as it takes to see a worker’s next beat', () => {
    const same = { ...sampleOf(), at: NOW - 100 };
    expect(compare([earlier, same], sampleOf()).workers[0]?.requestsPerSecond).toBe(10);
    expect(compare([same], sampleOf()).workers[0]).not.toHaveProperty('requestsPerSecond');
  });

  it('knows no rate of another process that has the same pid now', () => {
    const workers = [workerOf('0', 200, { usage: usageOf(200, { startedAt: NOW - 1_500, cpuSeconds: 1 }) })];
    const [worker] = compare([earlier], sampleOf({ workers })).workers;
    expect(worker).not.toHaveProperty('requestsPerSecond');
    expect(worker?.process?.cpuPercent).toBe(50);
  });

  it('adds up what is known, each process once', () => {
    const { total } = compare([], sampleOf());
    expect(total).toEqual({
      workers: 2,
      proportionalBytes: 5 * 150 * MIB,
      residentBytes: 5 * 347 * MIB,
      requests: 2_400,
      activeRequests: 2,
      webSockets: 8,
      generatingAnswers: 4,
      restarts: 0,
    });
  });

  it('says of uvicorn’s workers what they use, and nothing else', () => {
    const report = compare([], uvicornSample());
    expect(report.total).toEqual({ workers: 2, proportionalBytes: 450 * MIB, residentBytes: 1_041 * MIB });
    expect(Object.keys(report.workers[0] ?? {})).toEqual(['instance', 'state', 'process']);
  });

  it('tells the restarts of all instances, the newest first', () => {
    const restart = (at: number, cause: 'crash' | 'reload') => ({ at, cause, detail: cause, to: 1 });
    const instances = [
      instanceOf('0', { record: recordOf({ recent: [restart(1_000, 'crash'), restart(3_000, 'reload')] }) }),
      instanceOf('1', { record: recordOf({ recent: [{ ...restart(2_000, 'crash'), gap: 415 }] }) }),
    ];
    const { restarts } = compare([], sampleOf({ instances }));
    expect(restarts.map(({ instance, cause }) => `${instance} ${cause}`)).toEqual([
      '0 reload',
      '1 crash',
      '0 crash',
    ]);
    expect(restarts[1]?.gapSeconds).toBe(0.415);
  });

  it('is what its schema says', () => {
    const down = instanceOf('2', {
      down: { at: NOW - 5_000, cause: 'crash', detail: 'killed by SIGSEGV' },
      record: recordOf({ restarts: { crash: 2 }, lastFailure: { at: NOW, detail: 'exit code 3' } }),
    });
    const workers = [...sampleOf().workers, { instance: '2', state: 'down' as const }];
    const instances = [...sampleOf().instances, down];
    for (const sample of [
      sampleOf({ workers, instances }),
      sampleOf({ scale: SCALE }),
      uvicornSample(),
      sampleOf({ workers: [] }),
    ]) {
      const report = compare([earlier], sample);
      expect(TopSchema.strict().parse(report)).toEqual(report);
    }
  });
});

describe('takeSample', () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  /** A supervisor of ours, in this process; it says nothing where there is no report. */
  async function supervisor(folder: string, instance: string, report?: object): Promise<void> {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', () => {
        if (report) socket.end(encode({ ...report }));
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) =>
      server.listen(join(folder, socketName(instance, process.pid)), resolve),
    );
  }

  const serving = (pid: number, requests: number): SupervisorReport => ({
    pid: process.pid,
    level: 'lean',
    memoryLimit: 1024,
    workers: [
      {
        pid,
        phase: 'serving',
        hangs: false,
        generation: 'a1',
        version: '0.12.4',
        heardAt: NOW,
        requests,
        active: 0,
        sockets: 1,
        generating: 0,
      },
    ],
  });

  it('joins what supervisors say, what instances have kept, and what the kernel knows', async () => {
    const folder = temporaryFolder();
    const history = new History(folder, '0', (reason) => expect.unreachable(reason));
    history.serves(1, undefined);
    history.ended({ requests: 500, durations: { api: durationsOf(2), page: durationsOf(1) } });
    history.serves(process.pid, { cause: 'memory', detail: 'too large' });
    const told = serving(process.pid, 42);
    const durations = { api: durationsOf(5) };
    await supervisor(folder, '0', { ...told, workers: told.workers.map((one) => ({ ...one, durations })) });
    const sample = await takeSample(join(folder, 'control.sock'));
    expect(sample).toMatchObject({
      runtime: 'preload',
      level: 'lean',
      version: '0.12.4',
      generations: ['a1'],
      supervisors: [{ pid: process.pid }],
      workers: [{ instance: '0', state: 'serving', usage: { pid: process.pid }, stats: { requests: 42 } }],
      instances: [{ instance: '0', requests: 542, memoryLimit: GIB, record: { restarts: { memory: 1 } } }],
    });
    expect(sample.instances[0]).not.toHaveProperty('down');
    const counted = sample.instances[0]?.durations;
    expect([counted?.api?.[2], counted?.api?.at(-1), counted?.page]).toEqual([7, 2, durationsOf(1)]);
  });

  it('finds the documents that are processed, and those that wait', async () => {
    const program = join(temporaryFolder(), DOCUMENT_PROCESS);
    symlinkSync('/bin/sleep', program); // the kernel names a process by its file
    const helper = spawn(program, ['60']);
    try {
      const jobs = { 'documents/a.job': '{}', 'documents/a.starts': '.', 'documents/b.job': '{}' };
      const folder = temporaryFolder(jobs);
      expect(readDocuments(join(folder, 'control.sock'), process.pid)).toMatchObject({
        processes: [{ pid: helper.pid, ppid: process.pid }],
        waiting: 1,
      });
      expect(readDocuments(join(temporaryFolder(), 'control.sock'), process.pid).waiting).toBe(0);
    } finally {
      helper.kill('SIGKILL');
    }
  });

  it('does not wait for a supervisor that does not answer, and still shows its worker', async () => {
    const folder = temporaryFolder();
    new History(folder, '0', (reason) => expect.unreachable(reason)).serves(process.pid, undefined);
    await supervisor(folder, '0');
    const started = performance.now();
    const sample = await takeSample(join(folder, 'control.sock'));
    expect(performance.now() - started).toBeLessThan(2_000 * crowding());
    expect(sample.workers).toMatchObject([{ instance: '0', state: 'running', usage: { pid: process.pid } }]);
  });

  it('shows an instance whose supervisor is gone, and not one that was stopped', async () => {
    const folder = temporaryFolder();
    await supervisor(folder, '0', { ...serving(process.pid, 0), workers: [] });
    const [dead, stopped] = ['1', '2'].map(
      (instance) => new History(folder, instance, (reason) => expect.unreachable(reason), '4194305 1'),
    );
    for (const history of [dead, stopped]) history?.serves(1, undefined);
    dead?.leaves({ because: { cause: 'crash', detail: 'killed by SIGKILL' } });
    stopped?.leaves({ because: { cause: 'restart', detail: 'stopped' } });
    const sample = await takeSample(join(folder, 'control.sock'));
    expect(sample.workers).toEqual([
      { instance: '0', state: 'waiting' },
      { instance: '1', state: 'down' },
    ]);
    expect(sample.instances[1]?.down).toMatchObject({ cause: 'crash', detail: 'killed by SIGKILL' });
  });

  it('knows the range of workers, and does not miss an instance that the load does not need', async () => {
    const folder = temporaryFolder();
    await supervisor(folder, '0', serving(process.pid, 7));
    const spare = new History(folder, '1', (reason) => expect.unreachable(reason), '4194305 1');
    spare.serves(1, undefined);
    spare.ended({ requests: 500 });
    spare.leaves({ because: { cause: 'restart', detail: 'stopped' } });
    markSpare(folder, '1');
    const scale = {
      decider: processName(process.pid) ?? '',
      least: 1,
      most: 4,
      counts: { calm: 1 },
      changes: [],
    };
    writeTold(folder, scale);
    const sample = await takeSample(join(folder, 'control.sock'));
    expect(sample.scale).toEqual(scale);
    expect(sample.workers.map(({ instance }) => instance)).toEqual(['0']);
    expect(sample.instances).toMatchObject([{ requests: 7 }, { instance: '1', requests: 500 }]);
    expect(sample.instances[1]).not.toHaveProperty('down');
    // Whoever decided is gone: the number is what it is.
    writeTold(folder, { ...scale, decider: `${process.pid} 1` });
    expect(await takeSample(join(folder, 'control.sock'))).not.toHaveProperty('scale');
  });

  it('takes a socket that nobody listens on for none, and any other answer for no answer', async () => {
    const folder = temporaryFolder();
    const stale = createServer();
    await new Promise<void>((resolve) =>
      stale.listen({ path: join(folder, socketName('0', process.ppid)) }, resolve),
    );
    stale.close();
    await supervisor(folder, '1', { type: 'welcome' });
    const { workers } = await takeSample(join(folder, 'control.sock'));
    expect(workers).toEqual([{ instance: '1', state: 'running' }]);
  });

  it('finds nothing where nothing runs', async () => {
    const sample = await takeSample(join(temporaryFolder(), 'control.sock'));
    expect(sample).toMatchObject({ runtime: 'preload', workers: [], instances: [], generations: [] });
  });
});
