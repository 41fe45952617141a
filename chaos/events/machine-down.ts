import { untilGone } from '../../src/base/io/started.ts';
import { type ChaosEvent, onlyRefusedMeanwhile } from '../event.ts';

const LEAVE_TIMEOUT_MS = 90_000;

export const machineDown: ChaosEvent = {
  name: 'machine-down',
  title: 'pm2 kill, as a shutdown does, then pm2 resurrect, as a boot does',
  holds:
    'answers in progress are complete in the database before the last process ends; everything serves again',
  runs: { long: 3, short: 1 },
  async run({ cluster, load, workers, say }, runs) {
    const servesAgainMs: number[] = [];
    const violations: string[] = [];
    for (let run = 0; run < runs; run++) {
      await cluster.pm2.run('save', '--force');
      const tree = cluster.pm2.processes();
      const begun = performance.now();
      await cluster.pm2.kill();
      const down = ((performance.now() - begun) / 1000).toFixed(1);
      const left = cluster.pm2.processes();
      if (left.length > 0) violations.push(`${left.length} processes outlived pm2 kill`);
      await untilGone(tree, LEAVE_TIMEOUT_MS);
      await cluster.pm2.run('resurrect');
      await cluster.untilServing(workers);
      servesAgainMs.push(performance.now() - begun);
      await load.proceed(50);
      say(`down ${run + 1} of ${runs}: all processes had ended after ${down} s`);
    }
    return { servesAgainMs, violations };
  },
  // Nothing serves in between.
  judge: onlyRefusedMeanwhile,
};
