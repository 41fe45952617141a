import { readFile, writeFile } from 'node:fs/promises';
import { untilGone } from '../../src/base/io/started.ts';
import { until } from '../../src/base/io/wait.ts';
import { APPS } from '../../src/runtime/contract.ts';
import type { ChaosEvent, Site } from '../event.ts';

const STOPPED_TIMEOUT_MS = 120_000;
const ROLLED_TIMEOUT_MS = 240_000;

interface Mistake {
  what: string;
  line: string;
  /** What pm2 reload must print. */
  says: RegExp;
}

const MISTAKES: readonly Mistake[] = [
  { what: 'a syntax error', line: "WEBUI_NAME='half", says: /line \d+: not of the form NAME=value/ },
  {
    what: 'a database that does not exist',
    line: 'DATABASE_URL=postgresql://root@127.0.0.1:5432/no_such_database',
    says: /"no_such_database" does not exist/,
  },
  {
    what: 'a missing driver',
    line: 'DATABASE_URL=oracle://u:p@127.0.0.1/x',
    says: /No module named/,
  },
];

export const brokenConfiguration: ChaosEvent = {
  name: 'broken-configuration',
  title: 'restart and reload into a broken configuration',
  holds: 'the running workers keep serving, the command says what is wrong, nothing crash-loops',
  runs: { long: MISTAKES.length, short: 1 },
  async run(site, runs) {
    const servesAgainMs: number[] = [];
    const violations: string[] = [];
    for (const mistake of MISTAKES.slice(0, runs)) {
      violations.push(...(await make(site, mistake, servesAgainMs)));
      site.say(mistake.what);
    }
    return { servesAgainMs, violations };
  },
};

async function make(site: Site, { what, line, says }: Mistake, servesAgainMs: number[]): Promise<string[]> {
  const { cluster, load, workers } = site;
  const violations: string[] = [];
  const good = await readFile(cluster.envFile, 'utf8');
  const former = cluster.pythonWorkers();
  const restarts = (await cluster.preload()).pm2_env.restart_time;
  await writeFile(cluster.envFile, `${good}${line}\n`);
  await cluster.pm2.restart(APPS.preload);
  await until(async () => (await cluster.preload()).pm2_env.status === 'stopped', {
    what: `${APPS.preload} is stopped by ${what}`,
    timeoutMs: STOPPED_TIMEOUT_MS,
    intervalMs: 500,
  });
  const output = await cluster.pm2.reload(APPS.cluster);
  if (!says.test(output))
    violations.push(`${what}: pm2 reload does not print the reason: ${output.slice(-300)}`);
  await load.proceed(50);
  const now = new Set(cluster.pythonWorkers().map(({ pid }) => pid));
  const ended = former.filter(({ pid }) => !now.has(pid)).length;
  if (ended > 0) violations.push(`${what}: ${ended} workers ended`);
  const again = (await cluster.preload()).pm2_env.restart_time - restarts;
  if (again > 1) violations.push(`${what}: ${APPS.preload} was started ${again} times`);

  const begun = performance.now();
  await writeFile(cluster.envFile, good);
  await cluster.pm2.restart(APPS.preload);
  await untilGone(former, ROLLED_TIMEOUT_MS);
  await cluster.untilServing(workers);
  servesAgainMs.push(performance.now() - begun);
  return violations;
}
