/** The short form of `npm run chaos`, for those events that no other test has and that need neither root nor much time. */
import { beforeAll, describe, expect, it } from 'vitest';
import { EVENTS } from '../../chaos/events/index.ts';
import { type Result, runEvents } from '../../chaos/run.ts';
import { findFaketime } from '../../scripts/faketime.mjs';

const NAMES = [
  'reload',
  'kill-worker',
  'kill-supervisor',
  'stopped-preload',
  'kill-pm2',
  'broken-configuration',
  'hang',
  'hanging-start',
  'open-files',
  ...(findFaketime() === undefined ? [] : ['clock']),
  'sentinel',
  'two-starts',
];
/** A net alone: twelve events, each of less than half a minute where nothing else runs. */
const TIMEOUT_MS = 1_500_000;

if (findFaketime() === undefined)
  process.stderr.write('skipped: the clock that is set. libfaketime is missing\n');

const events = EVENTS.filter(({ name }) => NAMES.includes(name));
let results: Result[];

beforeAll(async () => {
  results = await runEvents(events, { form: 'short', workers: 2, say: () => undefined });
}, TIMEOUT_MS);

describe.each(NAMES)('%s', (name) => {
  it('loses nothing but what it must, and the service is whole again', () => {
    const result = results.find(({ event }) => event === name);
    expect(result?.violations).toEqual([]);
    expect(result?.servesAgainMs.length).toBeGreaterThan(0);
    expect(result?.report?.requests).toBeGreaterThan(50);
    expect(result?.report?.answers).toBeGreaterThan(0);
  });
});
