import { expect, it } from 'vitest';
import { LogLoss } from '../../../src/runtime/supervisor/log-loss.ts';

const full = new Error('ENOSPC: no space left on device, write');

it('says nothing of a log that is written', () => {
  expect(new LogLoss().inWords()).toBeUndefined();
});

it('tells how long, why and how much; the first reason is the one', () => {
  let now = 0;
  const loss = new LogLoss(() => now);
  loss.failed(full);
  now = 12_000;
  loss.failed(new Error('Cannot call write after a stream was destroyed'));
  expect(loss.inWords()).toBe(
    'the log could not be written for 12 s: ENOSPC: no space left on device, write; entries lost: 2',
  );
});

it('starts anew once it could be written', () => {
  const loss = new LogLoss();
  loss.failed(full);
  loss.over();
  expect(loss.inWords()).toBeUndefined();
});
