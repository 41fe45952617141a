/** How many workers are worth having: API requests a second of one, two, … of ours. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LOOPBACK } from '../../base/io/address.ts';
import { freePort } from '../../base/io/port.ts';
import { Scope } from '../../base/io/scope.ts';
import { sumMemory } from '../../base/machine/process-memory.ts';
import { isAlive, type ProcessInfo } from '../../base/machine/process-table.ts';
import { MIB } from '../../base/units.ts';
import { APPS } from '../../runtime/contract.ts';
import { OpenWebui } from '../client/open-webui.ts';
import type { Mix } from './life.ts';
import { CONNECTIONS, load } from './load.ts';
import { type OurServer, startOurs } from './ours.ts';
import { proposeWorkers } from './propose-workers.ts';
import type { SweepReport, SweepStepReport } from './schema.ts';
import { untilAnswered } from './server.ts';
import type { Stage } from './stage.ts';

const START_TIMEOUT_MS = 400_000;

/** Workers that leave finish what they do first. */
const SCALE_TIMEOUT_MS = 120_000;

/** Requests of a connection after the number of workers has changed. */
const WARM_UP = 20;

/** Scales one cluster up and then down, and measures it at each step. */
export async function sweep(
  outer: Scope,
  stage: Stage,
  { api }: Mix,
  { rounds, seconds, cores }: { rounds: number; seconds: number; cores: number },
  tell: (text: string) => void,
): Promise<SweepReport> {
  const scope = new Scope();
  outer.defer('sweep', () => scope.close());
  try {
    const most = 2 * cores;
    const folder = join(stage.folder, 'sweep');
    await mkdir(folder, { mode: 0o700 });
    const input = {
      folder,
      port: await freePort(LOOPBACK, 0),
      databaseUrl: await stage.copyDatabase(),
      workers: most,
    };
    tell(`sweep: starts ${most} workers`);
    // Planned for the largest number, so that no setting changes during the sweep.
    const server = await startOurs(scope, stage, input, {});
    const serving = (count: number) => untilServing(server, count, START_TIMEOUT_MS);
    await serving(most);
    const ui = await OpenWebui.signIn(server.url, stage.admin);
    const steps = new Map<number, SweepStepReport>();
    await scaleTo(server, 1);
    let current = 1;
    for (let round = 0; round < Math.max(2, rounds); round++) {
      const counts = Array.from({ length: most }, (_, index) => (round % 2 ? most - index : index + 1));
      for (const count of counts) {
        tell(`sweep: ${count} of ${most} workers, round ${round + 1}`);
        const begun = performance.now();
        if (count !== current) await scaleTo(server, count);
        const addedSeconds = count === current + 1 ? (performance.now() - begun) / 1000 : undefined;
        current = count;
        await load(server, api, ui.headers, { amount: WARM_UP * CONNECTIONS });
        const { perSecond, p99Ms } = await load(server, api, ui.headers, { duration: seconds });
        const memoryMib = sumMemory(server.processes().filter(isAlive)).pss / MIB;
        const former = steps.get(count);
        steps.set(count, {
          workers: count,
          perSecond: [...(former?.perSecond ?? []), perSecond],
          p99Ms: [...(former?.p99Ms ?? []), p99Ms],
          memoryMib,
          ...((former?.addedSeconds ?? addedSeconds) !== undefined && {
            addedSeconds: former?.addedSeconds ?? addedSeconds,
          }),
        });
      }
    }
    const curve = [...steps.values()].sort((a, b) => a.workers - b.workers);
    return { steps: curve, proposal: proposeWorkers(curve) };
  } finally {
    await scope.close();
  }
}

async function scaleTo(server: OurServer, count: number): Promise<void> {
  await server.pm2.run('scale', APPS.cluster, `${count}`);
  await untilServing(server, count, SCALE_TIMEOUT_MS);
}

async function untilServing(server: OurServer, count: number, timeoutMs: number): Promise<void> {
  const all = (): ProcessInfo[] | undefined => {
    const workers = server.workers();
    return workers.length === count ? workers : undefined;
  };
  await untilAnswered(server, all, { what: `${count} workers answer`, timeoutMs });
}
