import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/kit/longest-first.ts';

/** Files that run at one time. They share two cores; each starts servers, and waits for them most of the time. */
const AT_ONCE = 3;

const files = (...names: string[]) => names.map((name) => `test/e2e/${name}.test.ts`);
/** Compare with seconds or bytes that another Open WebUI beside them would change. */
const MEASURING = files('cluster', 'documents', 'hub-away', 'observed');

export default defineConfig({
  test: {
    reporters: ['default', './test/kit/closing-line.ts'],
    maxWorkers: AT_ONCE,
    sequence: { sequencer: LongestFirst },
    projects: [
      { test: { name: 'unit', include: ['test/unit/*/*.test.ts'], testTimeout: 60_000 } },
      {
        test: {
          name: 'formats',
          include: ['test/formats/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: files('*'),
          exclude: MEASURING,
          globalSetup: ['./test/kit/taken-ports.ts'],
          // Of one file: with the other one, four starts share two cores.
          maxConcurrency: 2,
          // Nets alone: they hold also where other work takes most of the machine.
          testTimeout: 300_000,
          hookTimeout: 400_000,
        },
      },
      {
        test: {
          name: 'measuring',
          include: MEASURING,
          // After all others, one at a time.
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
          testTimeout: 300_000,
          hookTimeout: 400_000,
        },
      },
    ],
  },
});
