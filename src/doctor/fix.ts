import { chmodSync, rmSync } from 'node:fs';
import type { Environment } from '../base/io/environment.ts';
import { connected } from '../facts/services/redis.ts';
import { reasonOf } from '../facts/services/timeout.ts';
import { Pm2 } from '../setup/pm2/client.ts';
import { findPm2 } from '../setup/pm2/program.ts';
import type { Fix } from './check.ts';
import type { Outcomes } from './facts.ts';
import { openBroker } from './read/redis.ts';
import type { Report } from './run.ts';

/** Milliseconds for CONFIG SET: `appendonly yes` makes Redis write all that it holds. */
const CONFIG_TIMEOUT = 10_000;

/** Mends what can be mended without losing anything. Returns all reports, with what was done or why it could not be. */
export async function fixAll(
  reports: readonly Report[],
  outcomes: Outcomes,
  env: Environment,
  home: string,
): Promise<Report[]> {
  const done: Report[] = [];
  for (const report of reports) {
    if (!report.fix) {
      done.push(report);
      continue;
    }
    try {
      done.push({ ...report, fixed: await apply(report.fix, outcomes, env, home) });
    } catch (error) {
      done.push({ ...report, found: `${report.found}; --fix could not: ${reasonOf(error)}` });
    }
  }
  return done;
}

/** What was done, in words. */
async function apply(fix: Fix, outcomes: Outcomes, env: Environment, home: string): Promise<string> {
  switch (fix.kind) {
    case 'chmod':
      chmodSync(fix.path, fix.mode);
      return `chmod ${fix.mode.toString(8)} ${fix.path}`;
    case 'remove':
      rmSync(fix.path, { recursive: true, force: true });
      return `removed ${fix.path}`;
    case 'redis': {
      if (outcomes.installation.state !== 'known') throw new Error('the settings cannot be read');
      const broker = await openBroker(outcomes.installation.value.settings);
      await connected(broker.client(), CONFIG_TIMEOUT, (client) => client.configSet(fix.name, fix.value));
      return `CONFIG SET ${fix.name} ${fix.value}`;
    }
    case 'pm2 save':
      await new Pm2(findPm2(env, home).path, env, home).run('save', '--force');
      return 'pm2 save';
  }
}
