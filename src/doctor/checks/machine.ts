import { explainLimits } from '../../plan/bounds.ts';
import { formatBytes, plural } from '../../units.ts';
import { check, error, ok, warning } from '../check.ts';

/** Share above the plan at which memory is worth a word. */
const TOLERANCE = 1.25;

export const machineChecks = [
  check({
    id: 'machine.plan',
    title: 'The machine holds the workers',
    why: 'too many workers for the memory end in the kernel’s out-of-memory killer',
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
    title: 'The running cluster keeps to the plan',
    why: 'what grows beyond it is taken from everybody else on the machine',
    source: 'Pss of /proc/PID/smaps_rollup',
    needs: ['cluster', 'plan'],
    run: ({ cluster, plan: { memory } }) => {
      const found = `all of it holds ${formatBytes(cluster.bytes)}; planned ${formatBytes(memory.predicted)}, budget ${formatBytes(memory.budget)}`;
      if (cluster.bytes > memory.budget)
        return error(found, 'pm2 reload open-webui gives back what has grown');
      return cluster.bytes > memory.predicted * TOLERANCE
        ? warning(found, 'pm2 describe open-webui shows which worker has grown')
        : ok(found);
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
    title: 'The port is free, or ours',
    why: 'the preload process stops with the port taken, and nothing serves',
    source: '/proc/net/tcp',
    needs: ['port'],
    run: ({ port: { number, taken } }) =>
      taken === undefined ? ok(String(number)) : error(taken, 'webui-tune --port N'),
  }),
];
