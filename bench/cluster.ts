/**
 * `npm run bench:cluster`: four workers, from a lean and from a full preload, and beside them four of
 * `uvicorn --workers`, all in one run. Prints a table, and ends with 1 when a figure misses what must hold.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { OPEN_WEBUI_VERSION } from '../scripts/environments.mjs';
import { planCluster } from '../test/kit/cluster.ts';
import { ROOT } from '../test/kit/environment.ts';
import type { LoadReport } from '../test/kit/load.ts';
import { processTree } from '../test/kit/proc.ts';
import { Scope } from '../test/kit/scope.ts';
import { type Embeddings, type Services, startServices } from '../test/kit/services.ts';
import { seedDatabase, startStock } from '../test/kit/stock.ts';
import {
  preloadRestartUnderLoad,
  privatePerWorker,
  recoveries,
  reloadsUnderLoad,
  traffic,
  treePss,
} from './measure.ts';
import { type Figure, isMissed, renderTable } from './statistics.ts';

const WORKERS = 4;
const ROUNDS_OF_TRAFFIC = 3;

/** From the issue that asked for the cluster; MiB. */
const PSS_LIMIT = { lean: 720, full: 1_150 };

type Form = keyof typeof PSS_LIMIT;

const EMBEDDINGS: Record<Form, Embeddings> = { lean: 'remote', full: 'local' };

const started = performance.now();

function say(text: string): void {
  console.error(`${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s  ${text}`);
}

/** What failed, in words: a figure of 3 alone does not help to find the reason. */
function tell(what: string, report: LoadReport): void {
  say(`${what}: ${report.answered} answered, ${report.failed} failed, worst ${report.worstMs.toFixed(0)} ms`);
  for (const failure of report.failures) say(`  ${failure}`);
}

async function benchCluster(form: Form): Promise<Figure[]> {
  const scope = new Scope();
  try {
    const services = await startServices(scope);
    const cluster = await planCluster(scope, { workers: WORKERS, embeddings: EMBEDDINGS[form], services });
    say(`${form}: starting ${WORKERS} workers on an empty database`);
    const begun = performance.now();
    await cluster.pm2.start(cluster.ecosystemFile);
    await cluster.untilServing(WORKERS);
    const boot = (performance.now() - begun) / 1000;

    const pss: number[] = [];
    const perSecond: number[] = [];
    for (let round = 0; round < ROUNDS_OF_TRAFFIC; round++) {
      const report = await traffic(cluster);
      tell(`${form}: traffic`, report);
      perSecond.push(report.perSecond);
      pss.push(treePss(cluster.processes()));
    }
    const own = await privatePerWorker(cluster);
    say(`${form}: killing workers`);
    const recovered = await recoveries(cluster, WORKERS);
    const reloads = await reloadsUnderLoad(cluster, WORKERS);
    tell(`${form}: five reloads`, reloads);
    const restart = await preloadRestartUnderLoad(cluster, WORKERS);
    tell(`${form}: preload restart and reload`, restart);
    tell(`${form}: traffic`, await traffic(cluster));
    const pssAtTheEnd = treePss(cluster.processes());

    return [
      { what: `${form}: PSS of the tree after traffic`, unit: 'MiB', samples: pss, limit: PSS_LIMIT[form] },
      {
        what: `${form}: the same, after reloads`,
        unit: 'MiB',
        samples: [pssAtTheEnd],
        limit: PSS_LIMIT[form],
      },
      { what: `${form}: private per worker and supervisor`, unit: 'MiB', samples: own, limit: 85 },
      { what: `${form}: pm2 start until all serve`, unit: 's', samples: [boot] },
      {
        what: `${form}: fork until serving`,
        unit: 'ms',
        samples: recovered.map(({ forkToServingMs }) => forkToServingMs),
        limit: 500,
      },
      {
        what: `${form}: kill -9 until serving`,
        unit: 'ms',
        samples: recovered.map(({ killToServingMs }) => killToServingMs),
        limit: 1_000,
      },
      {
        what: `${form}: five reloads under load, failed`,
        unit: 'requests',
        samples: [reloads.failed],
        limit: 0,
      },
      { what: `${form}: their slowest answer`, unit: 'ms', samples: [reloads.worstMs] },
      {
        what: `${form}: preload restart under load, failed`,
        unit: 'requests',
        samples: [restart.failed],
        limit: 0,
      },
      { what: `${form}: its slowest answer`, unit: 'ms', samples: [restart.worstMs] },
      { what: `${form}: list of chats`, unit: 'requests/s', samples: perSecond },
    ];
  } finally {
    await scope.close();
  }
}

async function benchStock(): Promise<Figure[]> {
  const scope = new Scope();
  try {
    const services: Services = await startServices(scope);
    await seedDatabase(services, 'remote');
    say(`uvicorn: starting ${WORKERS} workers`);
    const begun = performance.now();
    const stock = await startStock(scope, services, { workers: WORKERS, embeddings: 'remote' });
    const boot = (performance.now() - begun) / 1000;
    const pss: number[] = [];
    const perSecond: number[] = [];
    for (let round = 0; round < ROUNDS_OF_TRAFFIC; round++) {
      const report = await traffic({ url: stock.url, services });
      tell('uvicorn: traffic', report);
      perSecond.push(report.perSecond);
      pss.push(treePss(processTree(stock.process.pid)));
    }
    return [
      { what: 'uvicorn --workers: PSS of the tree after traffic', unit: 'MiB', samples: pss },
      { what: 'uvicorn --workers: until all serve', unit: 's', samples: [boot] },
      { what: 'uvicorn --workers: list of chats', unit: 'requests/s', samples: perSecond },
    ];
  } finally {
    await scope.close();
  }
}

const figures = [...(await benchCluster('lean')), ...(await benchStock()), ...(await benchCluster('full'))];
const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  kernel: release(),
  node: process.version,
  openWebui: OPEN_WEBUI_VERSION,
};
const results = join(ROOT, 'bench-results');
mkdirSync(results, { recursive: true });
const file = join(results, `cluster-${new Date().toISOString().replaceAll(':', '-')}.json`);
writeFileSync(file, `${JSON.stringify({ machine, workers: WORKERS, figures }, null, 2)}\n`);

console.log(`\n${WORKERS} workers, Open WebUI ${machine.openWebui}, ${machine.cores} × ${machine.cpu}\n`);
console.log(renderTable(figures));
const missed = figures.filter(isMissed);
if (missed.length > 0) {
  console.log(`\n${missed.length} missed: ${missed.map(({ what }) => what).join('; ')}`);
  process.exitCode = 1;
}
