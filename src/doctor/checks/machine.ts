import { formatBytes, plural } from '../../base/units.ts';
import { explainLimits } from '../../plan/bounds.ts';
import type { MemoryPlan } from '../../plan/types.ts';
import { ENV } from '../../runtime/contract.ts';
import { PlannedSchema } from '../../tune/measurements/observed.ts';
import { check, error, ok, warning } from '../check.ts';
import type { EcosystemFile } from '../read/ecosystem.ts';

/** Share above the plan at which memory is worth a word: predictions are within 15 % of what is measured. */
const TOLERANCE = 1.15;

const RELOAD = 'pm2 reload open-webui gives back what has grown';

/** How to make a new plan from what was observed of the running cluster. */
function planAgain(path: string | undefined): string {
  const byHand =
    path === undefined
      ? ''
      : `; a file of your own: webui-tune --out ${path} --force, then pm2 delete open-webui, and pm2 start ${path}`;
  return `webui-tune up plans again with what was observed${byHand}`;
}

/** The figures that the file was made with. Undefined: an earlier version made it, or there was no installation. */
function plannedIn(
  ecosystem: Pick<EcosystemFile, 'env'> | undefined,
): Pick<MemoryPlan, 'base' | 'worker' | 'supervisor'> | undefined {
  try {
    return PlannedSchema.parse(JSON.parse(ecosystem?.env[ENV.planned] ?? ''));
  } catch {
    return undefined;
  }
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
const largest = (numbers: readonly number[]) => Math.max(0, ...numbers);

export const machineChecks = [
  check({
    id: 'machine.plan',
    title: 'The workers fit the machine',
    why: 'with more workers than fit the memory, the kernel kills processes',
    source: 'webui-tune --explain workers; measured costs in src/plan/model.ts',
    needs: ['plan'],
    about: 'plan',
    uses: ['ecosystem'],
    run: ({ plan, ecosystem }) => {
      const { workers, memory, limitedBy } = plan;
      const found = `${plural(workers, 'worker')}, some ${formatBytes(memory.predicted)} of ${formatBytes(memory.budget)}`;
      if (!ecosystem || ecosystem.workers <= workers || limitedBy === 'services') return ok(found);
      return error(
        `the file starts ${ecosystem.workers} workers, and ${limitedBy} allows ${workers}`,
        `pm2 scale open-webui ${workers}, and webui-tune --out ${ecosystem.path} --force`,
      );
    },
  }),
  check({
    id: 'machine.memory',
    title: 'The running cluster takes the planned memory',
    why: 'whatever it takes beyond the plan is missing for all else on the machine',
    source: 'Pss and Private of /proc/PID/smaps_rollup; what the ecosystem file was planned with',
    needs: ['cluster', 'plan'],
    uses: ['ecosystem'],
    run: ({ cluster, plan: { memory }, ecosystem }) => {
      const { workers, supervisors } = cluster.private;
      const planned = plannedIn(ecosystem) ?? memory;
      const expected = planned.base + workers.length * planned.worker;
      const preload = cluster.bytes - sum(workers) - sum(supervisors);
      const found =
        `all of it holds ${formatBytes(cluster.bytes)}, planned ${formatBytes(expected)}, budget ${formatBytes(memory.budget)}: ` +
        `preload ${formatBytes(preload)} (planned ${formatBytes(planned.base)}); ` +
        `${plural(workers.length, 'worker')} ${formatBytes(sum(workers))}, the largest ${formatBytes(largest(workers))} ` +
        `(planned ${formatBytes(planned.worker - planned.supervisor)} each); ` +
        `${plural(supervisors.length, 'supervisor')} ${formatBytes(sum(supervisors))} (planned ${formatBytes(planned.supervisor)} each)`;
      const isOver = cluster.bytes > memory.budget;
      if (!isOver && cluster.bytes <= expected * TOLERANCE) return ok(found);
      // Today's plan knows what was observed. If it agrees with the kernel, a new file is the mend.
      const today = memory.base + workers.length * memory.worker;
      const mend = isOver || cluster.bytes <= today * TOLERANCE ? planAgain(ecosystem?.path) : RELOAD;
      return isOver ? error(found, mend) : warning(found, mend);
    },
  }),
  check({
    id: 'machine.limits',
    title: 'The kernel’s and Redis’s limits are wide enough',
    why: '"Too many open files", or connections that are refused while all workers are busy',
    source: 'proc_pid_limits(5), listen(2); docs.openwebui.com, performance',
    needs: ['machine', 'services'],
    run: ({ machine, services }) => {
      const problems = explainLimits(machine, services);
      return problems.length === 0
        ? ok('for open files and waiting connections')
        : problems.map((text) => warning(text));
    },
  }),
  check({
    id: 'machine.port',
    title: 'The port is free, or used by this cluster',
    why: 'the preload process ends if the port is taken, and nothing serves',
    source: '/proc/net/tcp',
    needs: ['port'],
    run: ({ port: { number, taken } }) =>
      taken === undefined ? ok(String(number)) : error(taken, 'webui-tune --port N'),
  }),
];
