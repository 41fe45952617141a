import { readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { killAll, untilGone } from '../../src/base/io/started.ts';
import { readMemory } from '../../src/base/machine/process-memory.ts';
import { MIB } from '../../src/base/units.ts';
import { connectionsByWorker } from '../../src/bench/client/connections.ts';
import { summarize } from '../../src/bench/contest/statistics.ts';
import type { Cluster } from '../../test/kit/cluster.ts';
import type { ChaosEvent, Form, Site } from '../event.ts';
import { giveUpConnectionsOf, randomWorker } from '../victims.ts';

const MINUTES: Record<Form, number> = { long: 60, short: 3 };

/** Looks at each worker's memory. */
const SAMPLES = 60;

/** Shares of the duration that are compared. Caches fill in the first third. */
const EARLY = 1 / 3;
const LATE = 2 / 3;

/** The median of a worker's private memory may grow by this share, plus these MiB. */
const MOST_GROWTH = 0.1;
const NOISE = 10;

/** The descriptors of a process may grow by this number. Connection pools are full by then. */
const SPARE_DESCRIPTORS = 20;

const LEAVE_TIMEOUT_MS = 90_000;

interface Sample {
  pid: number;
  /** Share of the duration that had passed. */
  at: number;
  /** MiB; only of a Python worker. */
  private?: number;
  /**
   * Without the established connections of clients, because those of a killed worker move to the others. A connection
   * that is closed but still held is not established, so it counts.
   */
  descriptors: number;
}

export const soak: ChaosEvent = {
  name: 'soak',
  title: 'an hour of load (--minutes), a worker killed in the middle',
  holds:
    'a worker has constant memory or is replaced, no descriptor, socket file or process leaks, nothing is lost',
  runs: { long: 1, short: 1 },
  async run(site) {
    const { cluster, minutes, form, workers, say } = site;
    const before = await inventory(cluster);
    const samples = await watch(site, (minutes ?? MINUTES[form]) * 60_000);
    const violations = growth(samples, say);
    const after = await inventory(cluster);
    say(
      `processes ${before.processes} → ${after.processes}, files of the run folder ${before.files} → ${after.files}`,
    );
    if (after.processes !== before.processes)
      violations.push(`${before.processes} processes became ${after.processes}`);
    if (after.files !== before.files) {
      violations.push(`${before.files} files of the run folder became ${after.files}`);
    }
    await cluster.untilServing(workers);
    return { servesAgainMs: [], violations };
  },
};

async function watch(site: Site, durationMs: number): Promise<Sample[]> {
  const { cluster, load, workers, say } = site;
  const begun = performance.now();
  const samples: Sample[] = [];
  let killed = false;
  for (let sample = 1; sample <= SAMPLES; sample++) {
    await sleep(Math.max(0, begun + (sample / SAMPLES) * durationMs - performance.now()));
    const at = (performance.now() - begun) / durationMs;
    const clients = connectionsByWorker(cluster.port, cluster.pythonWorkers());
    for (const { pid } of cluster.pm2.processes()) {
      const seen = look(pid, clients.get(pid));
      if (seen) samples.push({ pid, at, ...seen });
    }
    if (!killed && at > 1 / 2) {
      killed = true;
      const victim = randomWorker(site);
      giveUpConnectionsOf(site, victim);
      await killAll([victim]);
      await untilGone([victim], LEAVE_TIMEOUT_MS);
      await cluster.untilServing(workers);
    }
    if (sample % 6 === 0) {
      await load.proceed(1);
      say(`${((performance.now() - begun) / 60_000).toFixed(1)} min`);
    }
  }
  return samples;
}

/** Violations of the processes that lived all the time. */
function growth(samples: Sample[], say: (text: string) => void): string[] {
  const violations: string[] = [];
  for (const pid of new Set(samples.map((sample) => sample.pid))) {
    const own = samples.filter((sample) => sample.pid === pid);
    const early = own.filter(({ at }) => at > EARLY && at < 1 / 2);
    const late = own.filter(({ at }) => at > LATE);
    if (early.length === 0 || late.length === 0) continue; // replaced
    const files = [early, late].map((those) => median(those.map(({ descriptors }) => descriptors)));
    const memory = [early, late].map((those) => median(those.flatMap((sample) => sample.private ?? [])));
    const inWords =
      memory[0] === undefined ? '' : `, ${memory.map((mib) => mib?.toFixed(1)).join(' → ')} MiB private`;
    say(`process ${pid}: ${files.join(' → ')} descriptors${inWords}`);
    const [fewer = 0, more = 0] = files;
    const [less = 0, larger = 0] = memory;
    if (more > fewer + SPARE_DESCRIPTORS) {
      violations.push(`process ${pid} had ${fewer} descriptors, then ${more}`);
    }
    if (larger > less * (1 + MOST_GROWTH) + NOISE) {
      violations.push(`worker ${pid} grew from ${less.toFixed(0)} to ${larger.toFixed(0)} MiB`);
    }
  }
  return violations;
}

function median(values: number[]): number | undefined {
  return values.length === 0 ? undefined : summarize(values).median;
}

/** Processes and files that could be left behind. */
async function inventory(cluster: Cluster) {
  return {
    processes: cluster.pm2.processes().length,
    files: readdirSync(dirname(await cluster.controlSocket())).length,
  };
}

/** Descriptors of a process, and the memory of a Python worker. Undefined: it has ended meanwhile. */
function look(pid: number, ofClients: number | undefined): Omit<Sample, 'pid' | 'at'> | undefined {
  try {
    const descriptors = readdirSync(`/proc/${pid}/fd`).length;
    if (ofClients === undefined) return { descriptors };
    return { descriptors: descriptors - ofClients, private: readMemory(pid).private / MIB };
  } catch {
    return undefined;
  }
}
