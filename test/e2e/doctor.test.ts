/** A doctor looks at a real cluster while it serves, and while one thing after the other is broken. */
import { utimes } from 'node:fs/promises';
import { createClient } from 'redis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { APPS } from '../../src/runtime/contract.ts';
import { type Cluster, startCluster } from '../kit/cluster.ts';
import { examine } from '../kit/doctor.ts';
import { Scope } from '../kit/scope.ts';
import { until } from '../kit/wait.ts';

const RECOVERY_MS = 60_000;
/** A preload process imports for 7 s on an idle machine. */
const START_MS = 100_000;
const WORKERS = 2;
const scope = new Scope();
let cluster: Cluster;
let redis: ReturnType<typeof createClient>;

beforeAll(async () => {
  cluster = await startCluster(scope, { workers: WORKERS });
  redis = createClient({ url: cluster.services.redisUrl });
  redis.on('error', () => undefined);
  await redis.connect();
  scope.defer('Redis client', () => redis.destroy());
  // As the documentation of Open WebUI wants it.
  await redis.configSet({ appendonly: 'yes', 'client-output-buffer-limit': 'pubsub 1gb 256mb 180' });
});
afterAll(() => scope.close());

/** A supervisor that does nothing, so that what is broken stays so. */
async function withFrozenSupervisor(run: (supervisor: { pid: number; worker: number }) => Promise<void>) {
  const [instance] = await cluster.instances();
  if (!instance) throw new Error('there is no instance');
  process.kill(instance.pid, 'SIGSTOP');
  try {
    await run({ pid: instance.pid, worker: Number(instance.pm2_env.axm_options.pid) });
  } finally {
    process.kill(instance.pid, 'SIGCONT');
  }
  await cluster.untilServing(WORKERS);
}

describe('a cluster that serves', () => {
  it('is well, and its events cross', async () => {
    const { wrong, of, exitCode } = await examine(cluster);
    expect(wrong).toEqual([]);
    expect(exitCode).toBe(0);
    for (const check of [
      'serves',
      'preload',
      'generation',
      'count',
      'listening',
      'connections',
      'identities',
      'events',
    ])
      expect(of(`cluster.${check}`), check).toMatchObject([{ verdict: 'ok' }]);
    expect(of('cluster.identities')[0]?.found).toBe('2 workers, 4 ids');
    expect(of('cluster.events')[0]?.found).toMatch(/^to a browser at each of 2 workers and back/);
    expect(of('redis.alone')[0]?.found).toBe('2 listen, ours');
  });
});

describe('a cluster with', () => {
  it('a changed env file says that it waits for a restart', async () => {
    const later = new Date(Date.now() + 5_000);
    await utimes(cluster.envFile, later, later);
    const { of } = await examine(cluster);
    expect(of('cluster.settings-age')[0]).toMatchObject({
      verdict: 'warning',
      mend: [`pm2 restart ${APPS.preload}`],
    });
    const before = new Date(Date.now() - 3_600_000);
    await utimes(cluster.envFile, before, before);
  });

  it('a killed worker whose supervisor hangs is a worker short', async () => {
    await withFrozenSupervisor(async ({ worker }) => {
      process.kill(worker, 'SIGKILL');
      const { of, exitCode } = await examine(cluster);
      expect(of('cluster.count')[0]).toMatchObject({
        verdict: 'error',
        found: '2 instances are online, 1 workers run',
      });
      expect(exitCode).toBe(9);
    });
  });

  it('a preload of another generation has a worker of the former one', async () => {
    await withFrozenSupervisor(async ({ worker }) => {
      await cluster.pm2.restart(APPS.preload);
      const found = await until(
        async () => {
          const [finding] = (await examine(cluster)).of('cluster.generation');
          return finding?.verdict === 'warning' && !finding.found.includes(', worker')
            ? finding.found
            : undefined;
        },
        { what: 'a worker is of the former generation', timeoutMs: START_MS },
      );
      expect(found).toContain(`worker ${worker} is of `);
    });
  });

  it('no right to the channels of rooms loses events', async () => {
    await redis.sendCommand(['ACL', 'SETUSER', 'default', 'resetchannels', '&socketio']);
    try {
      const { of } = await examine(cluster);
      expect(of('redis.rights')[0]).toMatchObject({
        verdict: 'error',
        found: expect.stringContaining('subscribe'),
      });
      expect(of('cluster.events')[0]).toMatchObject({ verdict: 'error' });
    } finally {
      await redis.sendCommand(['ACL', 'SETUSER', 'default', 'allchannels']);
    }
    await until(async () => (await examine(cluster)).of('cluster.events')[0]?.verdict === 'ok', {
      what: 'events cross again',
      timeoutMs: RECOVERY_MS,
    });
  });

  it('no preload process cannot replace a worker', async () => {
    await cluster.pm2.stop(APPS.preload);
    const { of } = await examine(cluster);
    expect(of('cluster.preload')[0]).toMatchObject({ verdict: 'error' });
    expect(of('pm2.runs')).toMatchObject([{ verdict: 'error', found: expect.stringContaining('stopped') }]);
  });
});
