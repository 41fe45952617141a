/**
 * `npm run bench:cluster`: measures four workers from a lean and from a full preload, and four of
 * `uvicorn --workers`, all in one run. Prints a table, and exits with 1 if a figure misses its limit.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { OPEN_WEBUI_VERSION } from '../scripts/environments.mjs';
import { Scope } from '../src/base/io/scope.ts';
import { processTree } from '../src/base/machine/process-table.ts';
import type { LoadReport } from '../src/bench/client/load.ts';
import { planCluster } from '../test/kit/cluster.ts';
import { ROOT } from '../test/kit/environment.ts';
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

interface Form {
  name: string;
  embeddings: Embeddings;
  args: string[];
  /** PSS of all processes, in MiB. */
  pssLimit?: number;
  /** Private memory of each worker with its supervisor, in MiB. */
  privateLimit?: number;
}

/** The preload without torch, for remote embeddings. */
const LEAN: Form = { name: 'lean', embeddings: 'remote', args: [], pssLimit: 720, privateLimit: 85 };

/** The preload with torch. */
const FULL: Form = {
  name: 'full',
  embeddings: 'remote',
  args: ['--preload', 'app'],
  pssLimit: 1_150,
  privateLimit: 85,
};

/** The preload with torch and a local embedding model, which all workers share. */
const LOCAL: Form = { name: 'local model', embeddings: 'local', args: [] };

const started = performance.now();

function say(text: string): void {
  console.error(`${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s  ${text}`);
}

/** Prints what failed: the number of failures alone does not show the reason. */
function tell(what: string, report: LoadReport): void {
  say(`${what}: ${report.answered} answered, ${report.failed} failed, worst ${report.worstMs.toFixed(0)} ms`);
  for (const failure of report.failures) say(`  ${failure}`);
}

function limit(value: number | undefined): { limit?: number } {
  return value === undefined ? {} : { limit: value };
}

async function benchCluster(form: Form): Promise<Figure[]> {
  const { name } = form;
  const scope = new Scope();
  try {
    const services = await startServices(scope);
    const { embeddings, args } = form;
    const cluster = await planCluster(scope, { workers: WORKERS, embeddings, args, services });
    say(`${name}: starting ${WORKERS} workers on an empty database`);
    const begun = performance.now();
    await cluster.pm2.start(cluster.ecosystemFile);
    await cluster.untilServing(WORKERS);
    const boot = (performance.now() - begun) / 1000;

    const pss: number[] = [];
    const perSecond: number[] = [];
    for (let round = 0; round < ROUNDS_OF_TRAFFIC; round++) {
      const report = await traffic(cluster);
      tell(`${name}: traffic`, report);
      perSecond.push(report.perSecond);
      pss.push(treePss(cluster.processes()));
    }
    const own = await privatePerWorker(cluster);
    say(`${name}: killing workers`);
    const recovered = await recoveries(cluster, WORKERS);
    const reloads = await reloadsUnderLoad(cluster, WORKERS);
    tell(`${name}: five reloads`, reloads);
    const restart = await preloadRestartUnderLoad(cluster, WORKERS);
    tell(`${name}: preload restart and reload`, restart.load);
    tell(`${name}: traffic`, await traffic(cluster));
    const pssAtTheEnd = treePss(cluster.processes());

    return [
      { what: `${name}: PSS of the tree after traffic`, unit: 'MiB', samples: pss, ...limit(form.pssLimit) },
      {
        what: `${name}: the same, after reloads`,
        unit: 'MiB',
        samples: [pssAtTheEnd],
        ...limit(form.pssLimit),
      },
      {
        what: `${name}: private per worker and supervisor`,
        unit: 'MiB',
        samples: own,
        ...limit(form.privateLimit),
      },
      { what: `${name}: pm2 start until all serve`, unit: 's', samples: [boot] },
      {
        what: `${name}: fork until serving`,
        unit: 'ms',
        samples: recovered.map(({ forkToServingMs }) => forkToServingMs),
        limit: 500,
      },
      {
        what: `${name}: kill -9 until serving`,
        unit: 'ms',
        samples: recovered.map(({ killToServingMs }) => killToServingMs),
        limit: 1_000,
      },
      {
        what: `${name}: five reloads under load, failed`,
        unit: 'requests',
        samples: [reloads.failed],
        limit: 0,
      },
      { what: `${name}: their slowest answer`, unit: 'ms', samples: [reloads.worstMs] },
      {
        what: `${name}: preload restart under load, failed`,
        unit: 'requests',
        samples: [restart.load.failed],
        limit: 0,
      },
      { what: `${name}: its slowest answer`, unit: 'ms', samples: [restart.load.worstMs] },
      { what: `${name}: preload gone until all are renewed`, unit: 's', samples: restart.seconds },
      { what: `${name}: list of chats`, unit: 'requests/s', samples: perSecond },
    ];
  } finally {
    await scope.close();
  }
}

async function benchStock(): Promise<Figure[]> {
  const scope = new Scope();
  try {
    const services: Services = await startServices(scope);
    await seedDatabase(services, { embeddings: 'remote' });
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

const SECTIONS = {
  lean: () => benchCluster(LEAN),
  uvicorn: benchStock,
  full: () => benchCluster(FULL),
  local: () => benchCluster(LOCAL),
};

/** The sections named on the command line, such as `npm run bench:cluster -- lean`; none: all. */
function chosenSections(): (() => Promise<Figure[]>)[] {
  const names = process.argv.slice(2);
  return (names.length > 0 ? names : Object.keys(SECTIONS)).map((name) => {
    const section = SECTIONS[name as keyof typeof SECTIONS];
    if (!section) throw new Error(`expected one of ${Object.keys(SECTIONS).join(', ')}; got ${name}`);
    return section;
  });
}

const figures: Figure[] = [];
for (const section of chosenSections()) figures.push(...(await section()));
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
