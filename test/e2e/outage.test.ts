/** What becomes of open pages while PostgreSQL is away. */
import { beforeAll, describe, expect, it } from 'vitest';
import { PostgresServer } from '../../src/bench/scratch/postgres.ts';
import { type Cluster, startCluster } from '../kit/cluster.ts';
import { OpenWebui } from '../kit/openwebui.ts';
import { startServices } from '../kit/services.ts';
import { wholeAnswer } from '../kit/upstream.ts';
import { useScope } from '../kit/vitest.ts';
import { until } from '../kit/wait.ts';

const TIMEOUT_MS = 60_000;

const scope = useScope();
let cluster: Cluster;
let ui: OpenWebui;
let postgres: PostgresServer;

beforeAll(async () => {
  postgres = await PostgresServer.create(scope);
  const services = { ...(await startServices(scope)), databaseUrl: postgres.url };
  cluster = await startCluster(scope, { workers: 2, services });
  ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
});

describe('an open page, while PostgreSQL is down', () => {
  it('is not cut off, and one that comes is let in once the server is back', async () => {
    const page = await ui.connectSocket(scope);
    const losses: string[] = [];
    page.socket.on('disconnect', (reason) => losses.push(reason));

    await postgres.stop();
    // Open WebUI verifies the page's token, as it does every 30 s, and would cut it off.
    const verified = page.socket.timeout(TIMEOUT_MS).emitWithAck('usage', { model: 'heron' });
    const joined = ui.connectSocket(scope);
    const returned: string[] = [];
    const both = Promise.all([
      verified.then(() => returned.push('verified')),
      joined.then(() => returned.push('joined')),
    ]);
    await untilLogged('the database is lost');
    expect(returned).toEqual([]);
    await postgres.start();
    await both;

    expect(losses).toEqual([]);
    const other = await joined;
    for (const asking of [page, other]) {
      const { text } = await ui.chat(asking, 'heron');
      expect(text).toBe(wholeAnswer('heron', cluster.services.upstream.pace));
    }
    page.close();
    other.close();
  });
});

/** Each worker looks by itself; it says so in its own log. */
async function untilLogged(line: string): Promise<void> {
  await until(
    async () => {
      const logs = await cluster.pm2.run('logs', '--nostream', '--lines', '200');
      return logs.split(line).length > 2;
    },
    { what: `both workers log "${line}"`, timeoutMs: TIMEOUT_MS },
  );
}
