import { untilGone } from '../../src/base/io/started.ts';
import type { ProcessInfo } from '../../src/base/machine/process-table.ts';
import { clientPortsOf, connectTo } from '../../src/bench/client/connections.ts';
import type { ChaosEvent, Site } from '../event.ts';
import { createFunction } from '../functions.ts';
import { HANG_SECONDS } from '../preset.ts';
import { slowUpload } from '../upload.ts';
import { randomWorker } from '../victims.ts';

/** Seconds that the event loop stands still. */
const BLOCK_SECONDS = 60;

export const hang: ChaosEvent = {
  name: 'hang',
  title: 'a worker hangs (event loop blocked for 60 s)',
  holds: 'it is found and replaced, only its own requests fail; a long upload is not mistaken for a hang',
  runs: { long: 2, short: 1 },
  async run(site, runs) {
    const { cluster, workers, form, say } = site;
    const servesAgainMs: number[] = [];
    const violations: string[] = [];
    for (let run = 0; run < runs; run++) {
      const before = cluster.pythonWorkers();
      const victim = randomWorker(site);
      // The upload goes to another worker, and lasts longer than a hang may.
      const line = await connectTo(
        (pid) => pid !== victim.pid,
        cluster,
        () => cluster.pythonWorkers(),
      );
      const uploading = slowUpload(site.ui, HANG_SECONDS[form] + 5, line);
      const begun = performance.now();
      await block(site, victim);
      await untilGone([victim], BLOCK_SECONDS * 1000);
      await cluster.untilServing(workers);
      servesAgainMs.push(performance.now() - begun);
      const { status, seconds } = await uploading;
      line.destroy();
      if (status !== 200) violations.push(`an upload of ${seconds.toFixed(0)} s ended with ${status}`);
      const now = new Set(cluster.pythonWorkers().map(({ pid }) => pid));
      const replaced = before.filter(({ pid }) => !now.has(pid));
      if (replaced.length !== 1) violations.push(`${replaced.length} workers were replaced, not one`);
      const logs = await cluster.pm2.run('logs', '--nostream', '--lines', '400');
      if (!/the worker hangs: its event loop/.test(logs))
        violations.push('the log does not say that it hung');
      if (!/in exec_module|File ".*plugin\.py", line/.test(logs))
        violations.push('the log does not say where it hung');
      say(`hang ${run + 1} of ${runs}`);
    }
    return { servesAgainMs, violations };
  },
};

/** Blocks a worker's event loop. Its requests are abandoned. */
async function block({ cluster, load, ui }: Site, victim: ProcessInfo): Promise<void> {
  const connection = await connectTo(
    (pid) => pid === victim.pid,
    cluster,
    () => cluster.pythonWorkers(),
  );
  load.giveUp(clientPortsOf(victim.pid, cluster.port));
  // This request is never answered, because the worker is killed meanwhile.
  createFunction(ui, `import time\ntime.sleep(${BLOCK_SECONDS})`, connection).catch(() =>
    connection.destroy(),
  );
}
