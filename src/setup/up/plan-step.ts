import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageVersion } from '../../base/io/package.ts';
import { formatBytes, plural } from '../../base/units.ts';
import { isOutgrown, plannedMemory } from '../../plan/outgrown.ts';
import type { Plan } from '../../plan/types.ts';
import { formatOf, renderAs } from '../../render/formats.ts';
import { checkOutput, writeOutput } from '../../tune/output.ts';
import { prepare } from '../../tune/tune.ts';
import type { Tuned } from '../../tune/tuned.ts';
import { requireValidApps } from '../pm2/require-valid.ts';
import type { Setup } from './setup.ts';
import type { Step } from './step.ts';
import { requireAnswers } from './wanted.ts';

/** Milliseconds that services have for their answers, on a busy machine too, and between two attempts to ask them. */
const ANSWERS_TIMEOUT = 30_000;
const ANSWERS_INTERVAL = 500;

/** The ecosystem file. */
export function planStep(setup: Setup): Step {
  return {
    name: 'plan',
    check: async () => {
      const { planned, options } = setup.remembered;
      if (!planned || !setup.hasOpenWebui || !existsSync(setup.ecosystemFile)) return undefined;
      const { plan } = await setup.tuned();
      if (!existsSync(plan.places.runtime)) return undefined;
      if (planned.fingerprint !== fingerprintOf(plan, options, textOf(plan.places.envFile))) return undefined;
      if (planned.memory && isOutgrown(planned.memory, planned.workers, plan.memory)) return undefined;
      return `${workersInWords(planned)}: ${setup.ecosystemFile}`;
    },
    describe: () => `plan for this machine, and write ${setup.ecosystemFile}`,
    run: async () => {
      const tuned = await tunedByAnswers(setup);
      const { plan } = tuned;
      checkOutput(setup.ecosystemFile, false);
      await requireValidApps(plan);
      await prepare(tuned);
      const text = renderAs(formatOf(setup.ecosystemFile) ?? 'js', plan);
      writeOutput(setup.ecosystemFile, text);
      const { workers, leastWorkers } = plan;
      const { envFile } = plan.places;
      // It may have been found in this folder: the next run may be in another.
      if (envFile !== undefined) setup.remembered.options.envFile = envFile;
      setup.changed();
      // The key that was drawn is one of the settings now.
      const { plan: kept } = await setup.tuned();
      setup.remember({
        planned: {
          fingerprint: fingerprintOf(kept, setup.remembered.options, textOf(envFile)),
          workers,
          ...(leastWorkers !== undefined && { leastWorkers }),
          content: hash([renderAs('json', withoutFigures(plan)), textOf(envFile)]),
          memory: plannedMemory(plan),
        },
      });
      const { measuredAt, source, predicted } = plan.memory;
      const because = measuredAt === undefined ? '' : ` (${source})`;
      return `${workersInWords(plan)}, some ${formatBytes(predicted)}${because}: ${setup.ecosystemFile}`;
    },
  };
}

/**
 * The plan, once all services have answered. A plan without their answers would be another one: for one worker, with the
 * documents' vectors in a folder. Throws TuneError where one does not answer within `timeoutMs` milliseconds.
 */
export async function tunedByAnswers(
  setup: Pick<Setup, 'tuned' | 'changed'>,
  timeoutMs = ANSWERS_TIMEOUT,
): Promise<Tuned> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const tuned = await setup.tuned();
    try {
      requireAnswers(tuned.plan, { database: false, broker: false });
      return tuned;
    } catch (error) {
      if (performance.now() >= end) throw error;
      await sleep(ANSWERS_INTERVAL);
      setup.changed();
    }
  }
}

export function workersInWords({
  workers,
  leastWorkers,
}: {
  workers: number;
  leastWorkers?: number | undefined;
}): string {
  return `${leastWorkers === undefined ? '' : `${leastWorkers} to `}${plural(workers, 'worker')}`;
}

/** What no app reads to do its work: another figure of it is no reason to start anything again. */
function withoutFigures(plan: Plan): Plan {
  const { conditions: _, ...memory } = plan.memory;
  return { ...plan, memory };
}

/**
 * What the plan was made from, as far as another answer would be a reason to plan anew: not what differs from minute to
 * minute, such as free memory. What was measured or observed counts by what it changes (isOutgrown).
 */
export function fingerprintOf(plan: Plan, options: object, envFile = ''): string {
  const { machine, settings, places, openWebui, embedded, services } = plan;
  const facts = {
    version: packageVersion(),
    options: Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1)),
    envFile,
    openWebui,
    places,
    embedded,
    cpu: machine.cpu,
    memory: [machine.memory.totalBytes, machine.memory.limit?.bytes],
    services: [services.database.kind, services.redis.kind, services.chroma?.where],
    settings: settings
      .filter(({ source }) => source !== 'computed')
      .map(({ key, value, source }) => [key, value, source]),
  };
  return hash(facts);
}

function hash(facts: unknown): string {
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 16);
}

function textOf(path: string | undefined): string {
  return path !== undefined && existsSync(path) ? readFileSync(path, 'utf8') : '';
}
