/**
 * `npm run bench:prediction`: compares the planned memory with the memory that all processes take after traffic, for
 * each way to run and each number of workers. `npm run bench:prediction -- lean 2` measures one of them. `-- --python
 * VENV/bin/python` measures another installation, such as one with the CUDA build of torch. `-- --twice` starts each a
 * second time, with a plan that uses what was observed. Prints a table, and exits with 1 if a prediction is off by more
 * than 15 %, or by more than 5 % at a second start.
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Scope } from '../src/base/io/scope.ts';
import { MIB } from '../src/base/units.ts';
import { type Cluster, type ClusterOptions, planCluster, planOf } from '../test/kit/cluster.ts';
import { startUvicorn } from '../test/kit/uvicorn.ts';
import { privatePerWorker, traffic, treePss } from './measure.ts';

/** Share of the measured memory by which a prediction may be too high or too low, at a first and at a second start. */
const TOLERANCES = { first: 0.15, second: 0.05 };

const {
  values: { python, twice = false },
  positionals: [onlyName, onlyWorkers],
} = parseArgs({
  options: { python: { type: 'string' }, twice: { type: 'boolean' } },
  allowPositionals: true,
});

interface Form {
  workers: readonly number[];
  options: Omit<ClusterOptions, 'workers'>;
}

const NO_CHROMA_SERVER = { CHROMA_HTTP_HOST: '' };

const FORMS: Readonly<Record<string, Form>> = {
  lean: { workers: [1, 2, 4], options: {} },
  full: { workers: [1, 2, 4], options: { args: ['--preload', 'app'] } },
  // The model is Open WebUI's default.
  local: { workers: [1, 2, 4], options: { embeddings: 'local' } },
  'lean-local': { workers: [1, 2], options: { embeddings: 'local', args: ['--preload', 'lean'] } },
  libraries: { workers: [1, 2], options: { args: ['--preload', 'libraries'] } },
  'local-chroma': { workers: [1], options: { embeddings: 'local', settings: NO_CHROMA_SERVER } },
  none: { workers: [1, 2], options: { args: ['--preload', 'none'] } },
  uvicorn: { workers: [1, 2, 4], options: { args: ['--runtime', 'uvicorn'] } },
  'uvicorn-local': { workers: [1, 2], options: { embeddings: 'local', args: ['--runtime', 'uvicorn'] } },
};

interface Measured {
  name: string;
  workers: number;
  start: keyof typeof TOLERANCES;
  /** Both in MiB. */
  predicted: number;
  measured: number;
  /** Private MiB of each worker with its supervisor; empty for uvicorn's workers, which PM2 does not know. */
  own: number[];
}

async function measure(name: string, { options }: Form, workers: number): Promise<Measured[]> {
  const scope = new Scope();
  try {
    const cluster = await planCluster(scope, {
      ...options,
      workers,
      ...(python !== undefined && { python: resolve(python) }),
    });
    const first = await measureStart(cluster, name, workers, 'first');
    if (!twice || first.own.length === 0) return [first];
    await cluster.untilObserved();
    await cluster.pm2.run('delete', 'all');
    return [first, await measureStart(cluster, name, workers, 'second')];
  } finally {
    await scope.close();
  }
}

/** Makes a plan from what is known so far, starts it, puts load on it, and compares. */
async function measureStart(
  cluster: Cluster,
  name: string,
  workers: number,
  start: Measured['start'],
): Promise<Measured> {
  const plan = await planOf(cluster);
  if (plan.workers !== workers)
    throw new Error(`${name}: ${plan.workers} workers are planned, not ${workers}`);
  if (plan.runtime === 'uvicorn') {
    await startUvicorn(cluster, workers);
  } else {
    await cluster.pm2.start(cluster.ecosystemFile);
    await cluster.untilServing(workers);
  }
  await traffic(cluster);
  const measured = treePss(cluster.processes());
  const own = plan.runtime === 'uvicorn' ? [] : await privatePerWorker(cluster);
  return { name, workers, start, predicted: plan.memory.predicted / MIB, measured, own };
}

function differenceOf({ predicted, measured }: Measured): number {
  return predicted / measured - 1;
}

function print(row: Measured): void {
  const { name, workers, start, predicted, measured, own } = row;
  const difference = `${(100 * differenceOf(row)).toFixed(1)} %`.padStart(8);
  console.log(
    `${name.padEnd(14)} ${workers} workers, ${start} start: predicted ${predicted.toFixed(0).padStart(5)} MiB, ` +
      `measured ${measured.toFixed(0).padStart(5)} MiB, ${difference}` +
      (own.length === 0
        ? ''
        : `; a worker and its supervisor: ${own.map((mib) => mib.toFixed(0)).join(', ')}`),
  );
}

if (onlyName !== undefined && !Object.hasOwn(FORMS, onlyName)) {
  throw new Error(`expected one of ${Object.keys(FORMS).join(', ')}; got ${onlyName}`);
}
const rows: Measured[] = [];
for (const [name, form] of Object.entries(FORMS)) {
  if (onlyName !== undefined && name !== onlyName) continue;
  for (const workers of form.workers) {
    if (onlyWorkers !== undefined && Number(onlyWorkers) !== workers) continue;
    for (const row of await measure(name, form, workers)) {
      rows.push(row);
      print(row);
    }
  }
}
if (rows.length === 0) throw new Error('nothing was measured');
const missed = rows.filter((row) => Math.abs(differenceOf(row)) > TOLERANCES[row.start]);
if (missed.length > 0) {
  console.log(`\n${missed.length} off by more than 15 %, or 5 % at a second start`);
  process.exitCode = 1;
}
