/** Kills workers after reading which connections they hold. */

import { signal } from '../src/base/io/started.ts';
import type { ProcessInfo } from '../src/base/machine/process-table.ts';
import { clientPortsOf } from '../src/bench/client/connections.ts';
import type { Site } from './event.ts';

/**
 * Pauses the worker for the moment that it takes to read which connections it has accepted. Only requests on these
 * connections may be lost with it.
 */
export function giveUpConnectionsOf(site: Site, victim: ProcessInfo): void {
  signal(victim, 'SIGSTOP');
  site.load.giveUp(clientPortsOf(victim.pid, site.cluster.port));
}

export function randomWorker({ cluster }: Pick<Site, 'cluster'>): ProcessInfo {
  const workers = cluster.pythonWorkers();
  const victim = workers[Math.floor(Math.random() * workers.length)];
  if (!victim) throw new Error('there is no worker to kill');
  return victim;
}
