/** Kills workers so that it is known exactly what they held. */
import { clientPortsOf } from '../test/kit/connections.ts';
import type { ProcessInfo } from '../test/kit/proc.ts';
import { signal } from '../test/kit/processes.ts';
import type { Site } from './event.ts';

/**
 * Stops the worker for the moment that it takes to read which connections it has accepted: only what is on its way
 * over these may be lost with it.
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
