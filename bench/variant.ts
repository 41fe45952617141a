/**
 * `npm run bench:variant -- [--documents] VARIANT…`: how much a setting or a flag gains. Compares two planned workers
 * with two of each variant, in interleaved rounds: the API calls of a page or, with `--documents`, uploads that a local
 * model embeds. A variant is `NAME=VALUE` (a line of the env file), `@NAME=VALUE` (a variable of PM2 and what it
 * starts) or `--flag`.
 */
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { Scope } from '../src/base/io/scope.ts';
import { cpuMs } from '../src/base/machine/process-cpu.ts';
import { OpenWebui } from '../src/bench/client/open-webui.ts';
import { load } from '../src/bench/contest/load.ts';
import { apiCalls, readRecording } from '../src/bench/contest/visits.ts';
import { type Cluster, startCluster } from '../test/kit/cluster.ts';
import { fillAccount, WARM_UP_REQUESTS } from './account.ts';
import { treePss } from './measure.ts';
import { type Figure, renderTable } from './statistics.ts';

const WORKERS = 2;
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
const SECONDS = Number(process.env.BENCH_SECONDS ?? 5);

/** Documents per round, lines per document, and documents sent at the same time. */
const DOCUMENTS = 8;
const LINES = 1_500;
const SENDERS = 4;

/** Lines of the document that is uploaded alone. */
const LINES_ALONE = 500;

interface Variant {
  name: string;
  cluster: Cluster;
  ui: OpenWebui;
}

const scope = new Scope();
const figures = new Map<string, Figure>();

function note(variant: string, what: string, unit: string, value: number): void {
  const key = `${what}: ${variant}`;
  const figure = figures.get(key) ?? { what: key, unit, samples: [] };
  figures.set(key, { ...figure, samples: [...figure.samples, value] });
}

async function start(name: string, isLocal: boolean): Promise<Variant> {
  const [, marker, key = '', value = ''] = /^(@?)(\w+)=(.*)$/.exec(name) ?? [];
  const pair = { [key]: value };
  const cluster = await startCluster(scope, {
    workers: WORKERS,
    embeddings: isLocal ? 'local' : 'remote',
    ...(name.startsWith('--') && { args: name.split(' ') }),
    ...(marker === '' && { settings: pair }),
    ...(marker === '@' && { environment: pair }),
  });
  return { name, cluster, ui: await OpenWebui.signIn(cluster.url, cluster.services.admin) };
}

async function askForPages({ name, cluster, ui }: Variant): Promise<() => Promise<void>> {
  const calls = apiCalls(readRecording(), await fillAccount(ui));
  const server = { url: cluster.url, workers: () => cluster.pythonWorkers() };
  await load(server, calls, ui.headers, { amount: WARM_UP_REQUESTS });
  return async () => {
    const sample = await load(server, calls, ui.headers, { duration: SECONDS });
    note(name, 'API calls', '1/s', sample.perSecond);
    note(name, 'API calls, p99', 'ms', sample.p99Ms);
    note(name, 'API calls, worker CPU of one', 'ms', sample.cpuMs);
  };
}

async function upload({ name, cluster, ui }: Variant): Promise<() => Promise<void>> {
  const sendOne = async (lines: number) => {
    const heron = randomUUID();
    await ui.upload(`${heron}.txt`, `Heron ${heron} waits for a fish in the reeds.\n`.repeat(lines));
  };
  const round = async () => {
    const workers = cluster.pythonWorkers();
    const first = performance.now();
    await sendOne(LINES_ALONE);
    const begun = performance.now();
    const before = cpuMs(workers);
    let left = DOCUMENTS;
    const send = async () => {
      while (left-- > 0) await sendOne(LINES);
    };
    await Promise.all(Array.from({ length: SENDERS }, send));
    return {
      aloneMs: begun - first,
      perSecond: DOCUMENTS / ((performance.now() - begun) / 1000),
      cpu: (cpuMs(workers) - before) / DOCUMENTS,
    };
  };
  await round();
  return async () => {
    const { perSecond, cpu, aloneMs } = await round();
    note(name, 'documents, one alone', 'ms', aloneMs);
    note(name, 'documents', '1/s', perSecond);
    note(name, 'documents, worker CPU of one', 'ms', cpu);
  };
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  strict: false,
  options: { documents: { type: 'boolean', default: false } },
});
// Every flag except --documents is a variant, as it is written.
const flags = process.argv.slice(2).filter((word) => word.startsWith('--') && word !== '--documents');

try {
  const names = ['as planned', ...positionals, ...flags];
  const rounds: (() => Promise<void>)[] = [];
  const clusters = new Map<string, Cluster>();
  for (const name of names) {
    const variant = await start(name, values.documents === true);
    clusters.set(name, variant.cluster);
    rounds.push(await (values.documents ? upload(variant) : askForPages(variant)));
    console.error(`${name}: serves`);
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const run of round % 2 ? [...rounds].reverse() : rounds) await run();
    console.error(`round ${round + 1} of ${ROUNDS}`);
  }
  for (const [name, cluster] of clusters) note(name, 'memory', 'MiB', treePss(cluster.processes()));
  console.log(renderTable([...figures.values()].sort((a, b) => a.what.localeCompare(b.what))));
} finally {
  await scope.close();
}
