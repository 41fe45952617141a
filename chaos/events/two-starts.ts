import { Client } from 'pg';
import { request } from '../../src/bench/client/http.ts';
import { type Cluster, planCluster } from '../../test/kit/cluster.ts';
import { startServices } from '../../test/kit/services.ts';
import type { ChaosEvent } from '../event.ts';

const LOG_LINES = '5000';

/** Two installations, as on two machines that share a database. */
export function twoStarts(): ChaosEvent {
  let both: Cluster[];
  let startedMs: number;
  return {
    name: 'two-starts',
    title: 'two starts at once on an empty database',
    holds: 'one seed, one migration, all workers of both serve, none was started twice',
    runs: { long: 1, short: 1 },
    async start(scope, workers) {
      const services = await startServices(scope);
      // At this level Open WebUI logs that it migrates and that it seeds.
      const options = { workers, services, settings: { GLOBAL_LOG_LEVEL: 'INFO' } };
      both = [await planCluster(scope, options), await planCluster(scope, options)];
      const begun = performance.now();
      await Promise.all(both.map((cluster) => cluster.pm2.start(cluster.ecosystemFile)));
      await Promise.all(both.map((cluster) => cluster.untilServing(workers)));
      startedMs = performance.now() - begun;
      return both[0] as Cluster;
    },
    async run({ cluster: first, load, workers, say }) {
      const violations: string[] = [];
      const logs = await Promise.all(
        both.map(({ pm2 }) => pm2.run('logs', '--nostream', '--lines', LOG_LINES)),
      );
      const count = (text: RegExp) => logs.map((log) => log.match(text)?.length ?? 0);
      const once = (what: string, counts: number[]) => {
        say(`${what}: ${counts.join(' and ')} times`);
        if (counts.reduce((sum, times) => sum + times) !== 1)
          violations.push(`${what}: ${counts.join(' and ')} times`);
      };
      once('migrated', count(/Running upgrade {2}->/g));
      once('seeded', count(/Seeded \d+ new config defaults/g));
      once('waited for the other', count(/waiting: another installation is starting on this database/g));
      if (count(/UniqueViolation/g).some(Boolean)) violations.push('a row was written twice');
      const { users, versions } = await countRows(first.services.databaseUrl);
      if (users !== 1) violations.push(`there are ${users} administrators`);
      if (versions !== 1) violations.push(`the database has ${versions} versions`);
      for (const cluster of both) {
        const instances = await cluster.instances();
        const again = instances.filter(({ pm2_env }) => pm2_env.restart_time > 0).length;
        if (again > 0) violations.push(`${again} instances were started again`);
        if (instances.length !== workers)
          violations.push(`${instances.length} instances run, not ${workers}`);
        const { status } = await request(`${cluster.url}/ready`);
        if (status !== 200) violations.push(`/ready: ${status}`);
      }
      await load.proceed(50);
      return { servesAgainMs: [startedMs], violations };
    },
  };
}

/** Counts the administrators (each start makes one if there is none) and the versions that the migrations leave. */
async function countRows(databaseUrl: string): Promise<{ users: number; versions: number }> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query(
      `SELECT (SELECT count(*)::int FROM "user" WHERE role = 'admin') AS users,
              (SELECT count(*)::int FROM alembic_version) AS versions`,
    );
    return rows[0];
  } finally {
    await client.end();
  }
}
