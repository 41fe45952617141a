import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { checkOutput, writeOutput } from '../io/output.ts';
import { packageVersion } from '../io/package.ts';
import { appsOf } from '../render/apps.ts';
import { formatOf, renderAs } from '../render/formats.ts';
import { keepSecrets, makePrivate } from '../settings/secrets-file.ts';
import type { Plan } from '../types.ts';
import { formatBytes, plural } from '../units.ts';
import type { Setup } from './setup.ts';
import type { Step } from './step.ts';

/** The ecosystem file. */
export function planStep(setup: Setup): Step {
  return {
    name: 'plan',
    check: async () => {
      const { planned, options } = setup.remembered;
      if (!planned || options.python === undefined || !existsSync(setup.ecosystemFile)) return undefined;
      const { plan } = await setup.tuned();
      if (planned.fingerprint !== fingerprintOf(plan, options)) return undefined;
      return `${plural(planned.workers, 'worker')}: ${setup.ecosystemFile}`;
    },
    describe: () => `plan for this machine, and write ${setup.ecosystemFile}`,
    run: async () => {
      const { plan, secrets } = await setup.tuned();
      checkOutput(setup.ecosystemFile, false);
      await checkForPm2(plan);
      const { secretsFile } = plan.places;
      await keepSecrets(secretsFile, secrets);
      makePrivate(secretsFile);
      writeOutput(setup.ecosystemFile, renderAs(formatOf(setup.ecosystemFile) ?? 'js', plan));
      const { workers } = plan;
      const { envFile } = plan.places;
      // It may have been found in this folder: the next run may be in another.
      if (envFile !== undefined) setup.remembered.options.envFile = envFile;
      setup.changed();
      // The key that was drawn is one of the settings now.
      const { plan: kept } = await setup.tuned();
      setup.remember({ planned: { fingerprint: fingerprintOf(kept, setup.remembered.options), workers } });
      return `${plural(workers, 'worker')}, some ${formatBytes(plan.memory.predicted)}: ${setup.ecosystemFile}`;
    },
  };
}

async function checkForPm2(plan: Plan): Promise<void> {
  const { faultsOf } = await import('../pm2/schema.ts');
  const faults = faultsOf(appsOf(plan));
  if (faults.length > 0) throw new Error(`PM2 would not take this file:\n${faults.join('\n')}`);
}

/**
 * What the plan was made from, as far as another answer would be a reason to plan anew: not what differs from minute to
 * minute, such as free memory.
 */
export function fingerprintOf(plan: Plan, options: object): string {
  const { machine, settings, places, openWebui, embedded, services } = plan;
  const facts = {
    version: packageVersion(),
    options,
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
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 16);
}
