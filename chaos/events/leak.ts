import { untilGone } from '../../src/base/io/started.ts';
import { until } from '../../src/base/io/wait.ts';
import { readMemory } from '../../src/base/machine/process-memory.ts';
import { MIB } from '../../src/base/units.ts';
import type { ChaosEvent } from '../event.ts';
import { createFunction } from '../functions.ts';
import { MEMORY_LIMIT } from '../preset.ts';

/** MiB of private memory that the worker keeps. */
const LEAK = MEMORY_LIMIT + 150;

/** Milliseconds. The supervisor checks every 10 s, and the old worker finishes its answers. */
const REPLACED_TIMEOUT_MS = 90_000;

export const leak: ChaosEvent = {
  name: 'leak',
  title: 'a worker that leaks private memory',
  holds: 'it is replaced at its limit, and the new one is ready first; no request fails',
  runs: { long: 3, short: 1 },
  async run({ cluster, ui, workers, say }, runs) {
    const servesAgainMs: number[] = [];
    const violations: string[] = [];
    for (let run = 0; run < runs; run++) {
      const before = cluster.pythonWorkers();
      const begun = performance.now();
      await createFunction(ui, `import os\nKEPT = bytearray(os.urandom(1 << 20)) * ${LEAK}`);
      const leaking = await until(() => before.find(({ pid }) => readMemory(pid).private / MIB > LEAK), {
        what: 'one worker holds the leak',
        timeoutMs: 10_000,
      });
      await untilGone([leaking], REPLACED_TIMEOUT_MS);
      await cluster.untilServing(workers);
      servesAgainMs.push(performance.now() - begun);
      const now = new Set(cluster.pythonWorkers().map(({ pid }) => pid));
      const replaced = before.filter(({ pid }) => !now.has(pid)).length;
      if (replaced !== 1) violations.push(`${replaced} workers were replaced, not one`);
      say(`leak ${run + 1} of ${runs}`);
    }
    return { servesAgainMs, violations };
  },
};
