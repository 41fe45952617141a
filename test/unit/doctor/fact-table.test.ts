import { describe, expect, it } from 'vitest';
import { EXIT, TuneError } from '../../../src/base/errors.ts';
import { FactTable } from '../../../src/doctor/fact-table.ts';
import { absent, known } from '../../../src/doctor/outcome.ts';

const empty = new FactTable<{ start: number }>();
const failing = () => {
  throw new TuneError('it broke\nwith details', EXIT.service);
};

describe('a table of facts', () => {
  it('gives each row what it needs, and what is given', async () => {
    const table = empty
      .row('one', { lacking: 'no one', read: (_, { start }) => start + 1 })
      .row('two', { lacking: 'no two', needs: ['one'], read: async ({ one }) => one * 10 });
    expect(await table.read({ start: 1 })).toEqual({ one: known(2), two: known(20) });
    expect(table.lacking).toEqual({ one: 'no one', two: 'no two' });
  });

  it('reads at the same time what does not need each other', async () => {
    let begun = 0;
    let tell = () => {};
    const both = new Promise<void>((resolve) => {
      tell = resolve;
    });
    const read = async () => {
      begun += 1;
      if (begun === 2) tell();
      await both;
      return begun;
    };
    const table = empty.row('one', { lacking: '', read }).row('two', { lacking: '', read });
    expect(await table.read({ start: 0 })).toEqual({ one: known(2), two: known(2) });
  });

  it('waits for the rows that would disturb a measurement, however they end', async () => {
    const order: string[] = [];
    const table = empty
      .row('loud', {
        lacking: '',
        read: async () => {
          await new Promise(setImmediate);
          order.push('loud');
          return failing();
        },
      })
      .row('quiet', { lacking: '', after: ['loud'], read: () => order.push('quiet') });
    expect(await table.read({ start: 0 })).toMatchObject({ loud: { state: 'failed' }, quiet: known(2) });
    expect(order).toEqual(['loud', 'quiet']);
  });

  it('says why a row could not be read, from the first fact that it lacks', async () => {
    const table = empty
      .row('broken', { lacking: 'no broken', read: failing })
      .row('none', { lacking: 'no none', read: () => absent('there is none') })
      .row('afterBroken', { lacking: 'no third', needs: ['broken', 'none'], read: () => 1 })
      .row('afterNone', { lacking: 'no fourth', needs: ['none', 'broken'], read: () => 1 })
      .row('last', { lacking: 'no last', needs: ['afterBroken'], read: () => 1 });
    const read = await table.read({ start: 0 });
    expect(read.broken).toMatchObject({ state: 'failed', error: { message: 'it broke\nwith details' } });
    expect(read.none).toEqual(absent('there is none'));
    expect(read.afterBroken).toEqual(absent('no broken: it broke'));
    expect(read.afterNone).toEqual(absent('there is none'));
    expect(read.last).toEqual(absent('no broken: it broke'));
  });

  it('hands on what is known of the facts that a row only uses', async () => {
    const table = empty
      .row('broken', { lacking: '', read: failing })
      .row('here', { lacking: '', read: () => 'value' })
      .row('both', { lacking: '', uses: ['broken', 'here'], read: ({ broken, here }) => [broken, here] });
    expect((await table.read({ start: 0 })).both).toEqual(known([undefined, 'value']));
  });

  it('does not take a bug for an outcome', async () => {
    const table = empty.row('bug', {
      lacking: '',
      read: () => {
        throw new TypeError('of ours');
      },
    });
    await expect(table.read({ start: 0 })).rejects.toThrow('of ours');
  });
});
