import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { History, markSpare, processName } from '../../../src/runtime/supervisor/history.ts';
import { type InstanceRecord, recordName } from '../../../src/runtime/supervisor/report.ts';
import { durationsOf } from '../../kit/samples.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

/** No process has this: it is above the largest pid that Linux hands out (proc(5), pid_max). */
const DEAD = '4194305 1';

/** A supervisor that lives beside the next one, as during a reload. */
const ALIVE = processName(process.ppid) ?? '';

const crash = { cause: 'crash', detail: 'killed by SIGKILL' } as const;

function supervisor(folder: string, self?: string): History {
  return new History(folder, '0', (reason) => expect.unreachable(reason), self);
}

function record(folder: string): InstanceRecord {
  return JSON.parse(readFileSync(join(folder, recordName('0')), 'utf8'));
}

describe('the record of an instance', () => {
  it('begins with its first worker, which replaces nobody', () => {
    const folder = temporaryFolder();
    supervisor(folder, ALIVE).serves(100, undefined, 1_000);
    expect(record(folder)).toEqual({
      since: 1_000,
      serving: { worker: 100, supervisor: ALIVE },
      requests: 0,
      restarts: {},
      failedStarts: 0,
      recent: [],
    });
  });

  it('outlives a supervisor that ends with its worker', () => {
    const folder = temporaryFolder();
    const former = supervisor(folder, DEAD);
    former.serves(100, undefined, 1_000);
    former.ended({ requests: 42 });
    former.leaves({ because: crash }, 5_000);
    expect(record(folder).left).toEqual({ at: 5_000, ...crash });
    supervisor(folder).serves(200, undefined, 5_400);
    expect(record(folder)).toMatchObject({
      since: 1_000,
      requests: 42,
      restarts: { crash: 1 },
      recent: [{ at: 5_400, ...crash, from: 100, to: 200, gap: 400 }],
    });
    expect(record(folder).left).toBeUndefined();
  });

  it('has no restart where the load had not needed it meanwhile', () => {
    const folder = temporaryFolder();
    const former = supervisor(folder, DEAD);
    former.serves(100, undefined, 1_000);
    former.ended({ requests: 42 });
    former.leaves({ because: { cause: 'restart', detail: 'stopped by the process manager' } }, 5_000);
    markSpare(folder, '0');
    expect(record(folder)).toMatchObject({ spare: true, requests: 42 });
    expect(record(folder)).not.toHaveProperty('left');
    supervisor(folder, ALIVE).serves(200, undefined, 90_000);
    expect(record(folder)).toMatchObject({
      requests: 42,
      restarts: {},
      recent: [],
      serving: { worker: 200 },
    });
    expect(record(folder)).not.toHaveProperty('spare');
    markSpare(folder, 'none of them');
    expect(readdirSync(folder)).toEqual([recordName('0')]);
  });

  it('adds up what its workers have counted, and leaves out what another version of ours has', () => {
    const folder = temporaryFolder();
    const own = supervisor(folder);
    own.serves(100, undefined);
    own.ended({ requests: 4, durations: { api: durationsOf(3) } });
    own.ended({ requests: 2, durations: { api: durationsOf(1), page: durationsOf(5) } });
    const [sum, , up, ...rest] = record(folder).durations?.api ?? [];
    expect(sum).toBeCloseTo(180.008);
    expect([up, rest.at(-1)]).toEqual([4, 2]);
    expect(record(folder)).toMatchObject({ requests: 6, durations: { page: durationsOf(5) } });

    const other = { ...record(folder), durations: { api: [1, 2, 3], unknown: durationsOf(1) } };
    writeFileSync(join(folder, recordName('0')), JSON.stringify(other));
    own.ended({ requests: 1, durations: { api: durationsOf(1) } });
    expect(record(folder).durations).toEqual({ api: durationsOf(1) });
  });

  it('tells a supervisor that was killed from one that is being replaced', () => {
    const killed = temporaryFolder();
    supervisor(killed, DEAD).serves(100, undefined);
    supervisor(killed).serves(200, undefined);
    expect(record(killed).restarts).toEqual({ supervisor: 1 });

    const reloaded = temporaryFolder();
    const former = supervisor(reloaded, ALIVE);
    former.serves(100, undefined);
    supervisor(reloaded).serves(200, undefined);
    expect(record(reloaded).restarts).toEqual({ reload: 1 });
    // What the former one says at its end is about itself, and nobody waits for a worker.
    former.ended({ requests: 7 });
    former.leaves({ because: { cause: 'restart', detail: 'stopped' } });
    expect(record(reloaded)).toMatchObject({ requests: 7, serving: { worker: 200 } });
    expect(record(reloaded).left).toBeUndefined();
  });

  it('takes a pid that another process has now for that of a dead one', () => {
    const folder = temporaryFolder();
    supervisor(folder, `${process.ppid} 1`).serves(100, undefined);
    supervisor(folder).serves(200, undefined);
    expect(record(folder).restarts).toEqual({ supervisor: 1 });
  });

  it('takes the word of a supervisor that replaces its worker itself', () => {
    const folder = temporaryFolder();
    const own = supervisor(folder);
    own.serves(100, undefined);
    own.serves(200, { cause: 'memory', detail: 'too large' }, 9_000);
    expect(record(folder).recent).toEqual([
      { at: 9_000, cause: 'memory', detail: 'too large', from: 100, to: 200 },
    ]);
  });

  it('counts no restart where a worker was handed over', () => {
    const folder = temporaryFolder();
    supervisor(folder, ALIVE).serves(100, undefined);
    supervisor(folder).adopted(100);
    expect(record(folder)).toMatchObject({
      restarts: {},
      serving: { worker: 100, supervisor: processName(process.pid) },
    });
  });

  it('counts workers that did not start apart, and still knows why one is missing', () => {
    const folder = temporaryFolder();
    const former = supervisor(folder, DEAD);
    former.serves(100, undefined);
    former.leaves({ because: crash });
    supervisor(folder).leaves({ failed: 'exit code 3' }, 2_000);
    expect(record(folder)).toMatchObject({
      left: crash,
      restarts: {},
      failedStarts: 1,
      lastFailure: { at: 2_000, detail: 'exit code 3' },
    });
  });

  it('stays short, private and whole', () => {
    const folder = temporaryFolder();
    const own = supervisor(folder);
    for (let worker = 1; worker <= 50; worker++) own.serves(worker, crash);
    expect(record(folder).restarts).toEqual({ crash: 49 });
    expect(record(folder).recent.map(({ to }) => to)).toEqual(Array.from({ length: 20 }, (_, i) => i + 31));
    expect(readdirSync(folder)).toEqual([recordName('0')]);
  });

  it('begins anew where the file is of no use', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, recordName('0')), '{"since":');
    supervisor(folder).serves(100, undefined, 3_000);
    expect(record(folder)).toMatchObject({ since: 3_000, restarts: {} });
  });

  it('goes without where it cannot be written', () => {
    const failures: string[] = [];
    const own = new History(join(temporaryFolder(), 'missing'), '0', (reason) => failures.push(reason));
    own.serves(100, undefined);
    expect(failures).toEqual([expect.stringContaining('ENOENT')]);
  });
});
