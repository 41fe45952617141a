import { describe, expect, it } from 'vitest';
import { contendersFor } from '../../../src/bench/contest/contenders.ts';
import { untuned } from '../../../src/bench/contest/ours.ts';
import { chooseContenders, merge } from '../../../src/bench/contest/run.ts';
import { untilReloaded } from '../../../src/bench/contest/server.ts';
import type { Plan } from '../../../src/plan/types.ts';

describe('contenders', () => {
  it('are chosen by id, in the order of the report', () => {
    const chosen = chooseContenders(contendersFor(2), ['ours', 'serve']);
    expect(chosen.map(({ id }) => id)).toEqual(['serve', 'ours']);
  });

  it('have to be known', () => {
    expect(() => chooseContenders(contendersFor(2), ['apache'])).toThrow('there is no contender "apache"');
  });

  it('keep the samples of all lives, and the failure of one', () => {
    const [one] = contendersFor(2);
    if (!one) throw new Error('there is no contender');
    const merged = merge(one, [
      { figures: { apiPerSecond: [1], memoryMib: [5] }, notes: ['slow'] },
      { figures: { apiPerSecond: [2] }, notes: ['slow'], failure: 'it broke' },
    ]);
    expect(merged).toMatchObject({
      figures: { apiPerSecond: [1, 2], memoryMib: [5] },
      notes: ['slow'],
      failure: 'it broke',
    });
  });

  it('of ours without tuned settings have what several workers need, and what the user set', () => {
    const setting = (key: string, source: string) => ({
      key,
      value: '1',
      source,
      secret: false,
      reason: '',
      rendered: true,
    });
    const settings = [
      setting('THREAD_POOL_SIZE', 'computed'),
      setting('WEBSOCKET_MANAGER', 'computed'),
      setting('DATABASE_URL', 'env file'),
    ];
    const keys = untuned({ settings } as unknown as Plan).settings.map(({ key }) => key);
    expect(keys).toEqual(['WEBSOCKET_MANAGER', 'DATABASE_URL']);
  });

  it('may give a reload up: all former workers are still there', async () => {
    const process = (pid: number) => ({ pid, ppid: 1, name: 'python', startTime: '1' });
    const former = [process(1), process(2)];
    let asked = 0;
    const server = {
      url: '',
      port: 1,
      // The first attempt comes and goes.
      begun: 0,
      workers: () => (asked++ < 3 ? [...former, process(3)] : former),
      processes: () => [],
      reload: { how: '', run: async () => {} },
      restart: { how: '', run: async () => {} },
      isSupervised: true,
      logTail: () => '',
    };
    await expect(untilReloaded(server, former, 10_000)).resolves.toBe(0);
  });
});
