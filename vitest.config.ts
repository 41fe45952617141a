import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/kit/longest-first.ts';

/** Files that run at one time. They share two cores; each starts servers, and waits for them most of the time. */
const AT_ONCE = 3;

const files = (...names: string[]) => names.map((name) => `test/e2e/${name}.test.ts`);

/** One of each capability: what every change has to pass. The others are long: `npm run test:all` runs them. */
const CORE = files(
  ...['backup', 'command', 'compose', 'doctor-broken', 'embedded', 'first-boot', 'levels', 'package'],
  ...['reload', 'start', 'static', 'stored', 'streams', 'trouble', 'up', 'uvicorn'],
);
/** Compare with seconds or bytes that another Open WebUI beside them would change, or follow the load of the processors. */
const MEASURING = files('cluster', 'plan');
const LONG_MEASURING = files('documents', 'hub-away', 'observed', 'range', 'systemd-range');

/** Unit tests that run a program of an environment: `npm test` runs the others while the environments are installed. */
const WITH_PROGRAMS = ['runtime/models-state', 'setup/compile-packages', 'setup/packages'].map(
  (name) => `test/unit/${name}.test.ts`,
);

/** Nets alone: they hold also where other work takes most of the machine. */
const PATIENT = { testTimeout: 600_000, hookTimeout: 600_000 };

const beside = (name: string, include: string[], exclude: string[] = []) => ({
  test: {
    name,
    include,
    exclude,
    globalSetup: ['./test/kit/taken-ports.ts'],
    // Of one file: with the other ones, four starts share two cores.
    maxConcurrency: 2,
    ...PATIENT,
  },
});

/** After all others, one file at a time. */
const alone = (name: string, include: string[]) => ({
  test: { name, include, maxWorkers: 1, sequence: { groupOrder: 1 }, ...PATIENT },
});

export default defineConfig({
  test: {
    reporters: ['default', './test/kit/reporter.ts'],
    maxWorkers: AT_ONCE,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/*/*.test.ts'],
          exclude: WITH_PROGRAMS,
          testTimeout: 60_000,
          // Most of the time of 190 files would go into loading the same modules for each: 52 s of CPU time instead of 118.
          isolate: false,
        },
      },
      { test: { name: 'programs', include: WITH_PROGRAMS, testTimeout: 60_000 } },
      {
        test: {
          name: 'formats',
          include: ['test/formats/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      beside('e2e', CORE),
      beside('long', files('*'), [...CORE, ...MEASURING, ...LONG_MEASURING]),
      alone('measuring', MEASURING),
      alone('long-measuring', LONG_MEASURING),
    ],
  },
});
