/**
 * The preset `small` where it has to fit: a control group of 1 GiB with PostgreSQL and Redis in it, and one of 512 MiB with
 * these outside. There it plans two workers from Python 3.12 on. Those of Python 3.11 take more, and it plans one, which
 * leaves more free than a second one needs: that is tried too, with a plan for 1 GiB.
 */

import { beforeAll, describe, expect, it } from 'vitest';
import { environments } from '../../scripts/environments.mjs';
import { LOOPBACK } from '../../src/base/io/address.ts';
import type { Scope } from '../../src/base/io/scope.ts';
import { untilGone } from '../../src/base/io/started.ts';
import { sumMemory } from '../../src/base/machine/process-memory.ts';
import { formatBytes, GIB, MIB } from '../../src/base/units.ts';
import { startLoad } from '../../src/bench/client/load.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { wholeAnswer } from '../../src/bench/scratch/upstream.ts';
import { sharesUncounted } from '../../src/plan/model.ts';
import type { Plan } from '../../src/plan/types.ts';
import { APPS } from '../../src/runtime/contract.ts';
import { Cgroup } from '../kit/cgroup.ts';
import { type Cluster, planCluster, planOf } from '../kit/cluster.ts';
import { startEmbeddedPostgres } from '../kit/embedded-postgres.ts';
import { PATIENCE_MS } from '../kit/patience.ts';
import { PGVECTOR, type Services, startServices } from '../kit/services.ts';
import { useScope } from '../kit/vitest.ts';

const WORKERS = 2;
const CHATS = 10;
const REQUESTS = 500;
const CONNECTIONS = 8;

interface Place {
  bytes: number;
  /** Whether PostgreSQL and Redis are in it too. */
  holdsServices: boolean;
  /** Planned for so much instead. */
  plannedFor?: string;
}

const { python } = environments();
const ownPlan = sharesUncounted(python.version, true) ? {} : { plannedFor: '1GiB' };

const PLACES: Place[] = [
  { bytes: GIB, holdsServices: true },
  { bytes: 512 * MIB, holdsServices: false, ...ownPlan },
];

/** Leads to this machine (ip(7), INADDR_ANY), which the plan does not know: it takes what is there for another machine's. */
const ELSEWHERE = '0.0.0.0';

function elsewhere(services: Services): Services {
  const move = (url: string) => url.replace(LOOPBACK, ELSEWHERE);
  return { ...services, databaseUrl: move(services.databaseUrl), redisUrl: move(services.redisUrl) };
}

async function servicesWithVectors(scope: Scope): Promise<Services> {
  const postgres = await startEmbeddedPostgres(scope);
  return startServices(scope, async () => postgres);
}

describe.each(PLACES)(
  'in a real cgroup of $bytes bytes (services inside: $holdsServices)',
  ({ bytes, holdsServices, plannedFor }) => {
    const scope = useScope();
    const group = Cgroup.make(scope, `small-${bytes / MIB}`, { memory: bytes });
    if (!group) {
      process.stderr.write(
        `skipped: the preset small in ${formatBytes(bytes)}. No cgroup can be made here\n`,
      );
    }
    let cluster: Cluster;
    let plan: Plan;

    async function makePlan(services: Services): Promise<void> {
      const memory = plannedFor === undefined ? [] : ['--memory', plannedFor];
      cluster = await planCluster(scope, {
        // In the place of the cores, which differ from machine to machine.
        workers: WORKERS,
        services,
        settings: PGVECTOR,
        args: ['--preset', 'small', ...memory],
      });
      plan = await planOf(cluster);
    }

    beforeAll(async () => {
      if (!group) return;
      const services = holdsServices ? undefined : elsewhere(await servicesWithVectors(scope));
      const planIt = async () => makePlan(services ?? (await servicesWithVectors(scope)));
      // Inside, no plan is for more than the group has.
      if (plannedFor !== undefined) await planIt();
      // PM2's daemon starts all else: it and the services are born in the group.
      await group.inside(async () => {
        if (plannedFor === undefined) await planIt();
        await cluster.pm2.run('ping');
      });
      await cluster.pm2.start(cluster.ecosystemFile);
      await cluster.untilServing(WORKERS);
    });

    it.skipIf(group === undefined || plannedFor !== undefined)(
      'the plan follows it, and the services',
      () => {
        expect(plan.machine.memory.limit).toMatchObject({ bytes });
        expect(plan.machine.memory.limit?.source).toContain(group?.name);
        expect(plan.memory.budget + plan.memory.reserve).toBeLessThanOrEqual(bytes);
        expect(plan.memory.services > 0).toBe(holdsServices);
        expect(plan.workers).toBe(WORKERS);
        expect(plan.bounds.memory).toBeGreaterThanOrEqual(WORKERS);
      },
    );

    it.skipIf(group === undefined)(
      'both workers serve chats and uploads in it, and no request is lost while a reload replaces them under load',
      async () => {
        const ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
        const page = await ui.connectSocket(scope);
        for (let index = 0; index < CHATS; index++) {
          const { text } = await ui.chat(page, `question${index}`);
          expect(text).toBe(wholeAnswer(`question${index}`, cluster.services.upstream.pace));
        }
        page.close();
        const { collection } = await ui.upload('notes.txt', 'The heron waits for a fish.\n\n'.repeat(100));
        expect(await ui.query(collection, 'heron')).not.toEqual([]);

        const load = startLoad({
          url: `${cluster.url}/api/v1/chats/?page=1`,
          headers: ui.headers,
          connections: CONNECTIONS,
        });
        await load.proceed(REQUESTS / 2);
        const former = cluster.pythonWorkers();
        await cluster.pm2.reload(APPS.cluster);
        await untilGone(former, PATIENCE_MS);
        await cluster.untilServing(WORKERS);
        await load.proceed(REQUESTS);
        const { failures, failed } = await load.stop();
        expect(failures).toEqual([]);
        expect(failed).toBe(0);

        const processes = cluster.processes();
        expect(processes.filter(({ pid }) => !group?.has(pid))).toEqual([]);
        const taken = sumMemory(processes).pss;
        const room = Math.min(bytes, plan.memory.budget - plan.memory.services);
        const pressure = group?.pressure();
        process.stderr.write(
          `small: ${formatBytes(taken)} of ${formatBytes(room)}; the group’s peak ${formatBytes(pressure?.peak ?? 0)} of ${formatBytes(bytes)}\n`,
        );
        expect(taken).toBeLessThan(room);
        expect(pressure?.oomKills).toBe(0);
      },
    );
  },
);
