/** The preset `small` where it has to fit: a control group of 1 GiB, with PostgreSQL and Redis in it. */
import { beforeAll, describe, expect, it } from 'vitest';
import { untilGone } from '../../src/base/io/started.ts';
import { sumMemory } from '../../src/base/machine/process-memory.ts';
import { GIB, MIB } from '../../src/base/units.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { wholeAnswer } from '../../src/bench/scratch/upstream.ts';
import type { Plan } from '../../src/plan/types.ts';
import { APPS } from '../../src/runtime/contract.ts';
import { Cgroup } from '../kit/cgroup.ts';
import { type Cluster, planCluster, planOf } from '../kit/cluster.ts';
import { startEmbeddedPostgres } from '../kit/embedded-postgres.ts';
import { PGVECTOR, startServices } from '../kit/services.ts';
import { useScope } from '../kit/vitest.ts';

const WORKERS = 2;
const CHATS = 10;
const LEAVE_TIMEOUT_MS = 120_000;

const scope = useScope();
const group = Cgroup.make(scope, 'small', { memory: GIB });
const why = group ? '' : ': none can be made here';

describe.skipIf(group === undefined)(`in a real cgroup of 1 GiB${why}`, () => {
  let cluster: Cluster;
  let plan: Plan;

  beforeAll(async () => {
    if (!group) return;
    // PM2's daemon starts all else: it and the services are born in the group.
    await group.inside(async () => {
      const postgres = await startEmbeddedPostgres(scope);
      const services = await startServices(scope, async () => postgres);
      cluster = await planCluster(scope, {
        workers: WORKERS,
        services,
        settings: PGVECTOR,
        args: ['--preset', 'small'],
      });
      plan = await planOf(cluster);
      await cluster.pm2.run('ping');
    });
    await cluster.pm2.start(cluster.ecosystemFile);
    await cluster.untilServing(WORKERS);
  });

  it('the plan follows it, with the services beside', () => {
    expect(plan.machine.memory.limit).toMatchObject({ bytes: GIB });
    expect(plan.machine.memory.limit?.source).toContain(group?.name);
    expect(plan.memory.budget + plan.memory.reserve).toBeLessThanOrEqual(GIB);
    expect(plan.memory.services).toBeGreaterThan(0);
    expect(plan.workers).toBe(WORKERS);
    expect(plan.bounds.memory).toBeGreaterThanOrEqual(WORKERS);
  });

  it('both workers serve chats and uploads in it, and fit also while a reload replaces them', async () => {
    const ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
    const page = await ui.connectSocket(scope);
    for (let index = 0; index < CHATS; index++) {
      const { text } = await ui.chat(page, `question${index}`);
      expect(text).toBe(wholeAnswer(`question${index}`, cluster.services.upstream.pace));
    }
    page.close();
    const { collection } = await ui.upload('notes.txt', 'The heron waits for a fish.\n\n'.repeat(100));
    expect(await ui.query(collection, 'heron')).not.toEqual([]);

    const former = cluster.pythonWorkers();
    await cluster.pm2.reload(APPS.cluster);
    await untilGone(former, LEAVE_TIMEOUT_MS);
    await cluster.untilServing(WORKERS);

    const processes = cluster.processes();
    expect(processes.filter(({ pid }) => !group?.has(pid))).toEqual([]);
    const taken = sumMemory(processes).pss;
    const room = plan.memory.budget - plan.memory.services;
    expect(taken, `${(taken / MIB).toFixed(0)} MiB of ${(room / MIB).toFixed(0)}`).toBeLessThan(room);
    expect(group?.pressure().oomKills).toBe(0);
  });
});
