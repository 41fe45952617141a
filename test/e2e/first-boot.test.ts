/** The first boot, on an empty database; a worker that leaks; and that nothing is left after `pm2 kill`. */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { untilGone } from '../../src/base/io/started.ts';
import { until } from '../../src/base/io/wait.ts';
import { readMemory } from '../../src/base/machine/process-memory.ts';
import { MIB } from '../../src/base/units.ts';
import { request } from '../../src/bench/client/http.ts';
import { startLoad } from '../../src/bench/client/load.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { ENV } from '../../src/runtime/contract.ts';
import { type Cluster, planCluster } from '../kit/cluster.ts';
import { expectNoPm2 } from '../kit/nothing-left.ts';
import { PATIENCE_MS } from '../kit/patience.ts';
import { startServices } from '../kit/services.ts';
import { useScope } from '../kit/vitest.ts';

const WORKERS = 4;
/** MiB: above what a worker needs for the requests of these tests, and below the leak that is made. */
const MEMORY_LIMIT = 200;
const LEAK = 400;

const scope = useScope();
let cluster: Cluster;
let answersDuringBoot: string[];

beforeAll(async () => {
  // Open WebUI says at this level that it seeds its database.
  cluster = await planCluster(scope, {
    workers: WORKERS,
    services: await startServices(scope),
    settings: { GLOBAL_LOG_LEVEL: 'INFO' },
  });
  const plan = readFileSync(cluster.ecosystemFile, 'utf8');
  const limited = plan.replace(new RegExp(`(${ENV.memoryLimit}: )"\\d+"`), `$1"${MEMORY_LIMIT}"`);
  expect(limited).not.toBe(plan);
  await writeFile(cluster.ecosystemFile, limited);

  answersDuringBoot = [];
  let booting = true;
  const asking = (async () => {
    while (booting) {
      answersDuringBoot.push(
        await request(`${cluster.url}/health`, { timeoutMs: PATIENCE_MS }).then(
          ({ status }) => String(status),
          (error: unknown) => (String(error).includes('ECONNREFUSED') ? 'refused' : String(error)),
        ),
      );
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  await cluster.pm2.start(cluster.ecosystemFile);
  await cluster.untilServing(WORKERS);
  booting = false;
  await asking;
});

function logs(): Promise<string> {
  return cluster.pm2.run('logs', '--nostream', '--lines', '5000');
}

describe('the first boot, on an empty database', () => {
  it('seeds it once, whatever number of workers starts', async () => {
    const log = await logs();
    expect(log.match(/Seeded \d+ new config defaults/g)).toHaveLength(1);
    expect(log.match(/Running upgrade {2}->/g)).toHaveLength(1);
    expect(log).not.toContain('UniqueViolation');
    const instances = await cluster.instances();
    expect(instances.map(({ pm2_env }) => pm2_env.restart_time)).toEqual(Array(WORKERS).fill(0));
  });

  it('refuses connections until a worker can answer, and none after that', () => {
    const first = answersDuringBoot.indexOf('200');
    expect(first).toBeGreaterThan(10);
    expect(answersDuringBoot.slice(0, first).filter((answer) => answer !== 'refused')).toEqual([]);
    expect(answersDuringBoot.slice(first).filter((answer) => answer !== '200')).toEqual([]);
  });
});

describe('a worker that leaks', () => {
  it('is replaced at its limit of private memory, and nobody notices', async () => {
    const ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
    const before = cluster.pythonWorkers();
    expect(before).toHaveLength(WORKERS);
    for (const { pid } of before) expect(readMemory(pid).private / MIB).toBeLessThan(MEMORY_LIMIT);
    const clients = startLoad({
      url: `${cluster.url}/api/v1/chats/?page=1`,
      headers: ui.headers,
      connections: 12,
    });
    await clients.proceed(50);
    // A function's code runs in the worker that takes the request: the leak is in the real process.
    await ui.call('POST', '/api/v1/functions/create', {
      id: 'leak',
      name: 'leak',
      meta: { description: 'keeps what it takes' },
      content: `import os\nKEPT = bytearray(os.urandom(1 << 20)) * ${LEAK}\nclass Pipe:\n    def pipe(self, body: dict) -> str:\n        return str(len(KEPT))\n`,
    });
    const leaking = await until(() => before.find(({ pid }) => readMemory(pid).private / MIB > LEAK), {
      what: 'one worker holds the leak',
      timeoutMs: PATIENCE_MS,
    });
    await untilGone([leaking], PATIENCE_MS);
    await clients.proceed(50);
    const report = await clients.stop();
    expect(report.failures).toEqual([]);
    await cluster.untilServing(WORKERS);
    const kept = before.filter(({ pid }) => pid !== leaking.pid).map(({ pid }) => pid);
    const now = cluster.pythonWorkers().map(({ pid }) => pid);
    expect(now).toEqual(expect.arrayContaining(kept));
    expect(await logs()).toMatch(/replacing the worker: its private memory is \d+ MiB, its limit 200 MiB/);
  });
});

it('nothing is left after pm2 kill', async () => {
  await expectNoPm2(scope, cluster, () => cluster.pm2.kill());
});
