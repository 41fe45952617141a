/**
 * `npm run bench:documents [-- chroma]`: what documents of 600 pages cost, two workers of ours beside two of
 * `uvicorn --workers`, with the defaults of each, in interleaved rounds: how long one takes alone, and what four people who
 * ask for their chats notice of three at once. The vectors are where `webui-tune up` puts them, in a PostgreSQL with
 * pgvector, or at a Chroma server. Ends with 1 where a figure misses what must hold.
 */
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Scope } from '../src/base/io/scope.ts';
import { beside } from '../src/bench/client/beside.ts';
import { OpenWebui } from '../src/bench/client/open-webui.ts';
import { summarize } from '../src/bench/contest/statistics.ts';
import { makePdf } from '../src/bench/samples/pdf.ts';
import { startCluster } from '../test/kit/cluster.ts';
import { startEmbeddedPostgres } from '../test/kit/embedded-postgres.ts';
import { PGVECTOR, startServices } from '../test/kit/services.ts';
import { seedDatabase, startStock } from '../test/kit/stock.ts';
import { type Figure, isMissed, renderTable } from './statistics.ts';

const WORKERS = 2;
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 3);
const PAGES = 600;
const AT_ONCE = 3;
const QUIET_MS = 10_000;
const PROCESS_MS = 600_000;

/** As often as Open WebUI's page asks for the status of a file; and often enough to tell how long one takes. */
const PAGE_MS = 1_000;
const CLOSELY_MS = 50;

const STORES = ['pgvector', 'chroma'];
const [vectors = 'pgvector'] = process.argv.slice(2);
if (!STORES.includes(vectors)) throw new Error(`expected one of ${STORES.join(', ')}; got ${vectors}`);
const isChroma = vectors === 'chroma';

const OURS = 'ours';
const UVICORN = 'uvicorn';

/** What must hold while documents are processed, in milliseconds. */
const LONGEST_STANDSTILL = 150;
const P99 = (quiet: number) => 1.5 * quiet + 50;

const scope = new Scope();
const samples = new Map<string, number[]>();
const of = (name: string, what: string) => samples.get(`${name}: ${what}`) ?? [];
let documents = 0;

function note(name: string, what: string, value: number): void {
  samples.set(`${name}: ${what}`, [...of(name, what), value]);
}

/** To be made before what is measured: it takes 0.1 s of a core that the workers need. */
const nextPdf = () => makePdf(PAGES, ++documents);

async function complete(ui: OpenWebui, pdf: Buffer<ArrayBuffer>, intervalMs: number): Promise<void> {
  const id = await ui.send('bench.pdf', pdf, 'application/pdf');
  const { status, error } = await ui.processed(id, PROCESS_MS, intervalMs);
  if (status !== 'completed') throw new Error(`a document ${status}: ${error}`);
}

async function round(name: string, ui: OpenWebui): Promise<void> {
  const alone = nextPdf();
  const begun = performance.now();
  await complete(ui, alone, CLOSELY_MS);
  note(name, 'one alone', (performance.now() - begun) / 1000);
  const quiet = await beside(ui, () => sleep(QUIET_MS));
  note(name, 'p99 when quiet', quiet.p99Ms);
  const pdfs = Array.from({ length: AT_ONCE }, nextPdf);
  const busy = await beside(ui, () => Promise.all(pdfs.map((pdf) => complete(ui, pdf, PAGE_MS))));
  note(name, 'three at once', busy.seconds);
  note(name, 'p99 beside three', busy.p99Ms);
  note(name, 'standstill beside three', busy.standstillMs);
  note(name, 'failed', quiet.failed + busy.failed);
}

try {
  const start = () => startServices(scope, isChroma ? undefined : startEmbeddedPostgres);
  const [theirs, own] = [await start(), await start()];
  const settings = isChroma ? {} : PGVECTOR;
  await seedDatabase(theirs, { embeddings: 'remote', settings });
  const stock = await startStock(scope, theirs, { workers: WORKERS, embeddings: 'remote', settings });
  const cluster = await startCluster(scope, { workers: WORKERS, services: own, settings });
  const servers: [string, OpenWebui][] = [
    [OURS, await OpenWebui.signIn(cluster.url, own.admin)],
    [UVICORN, await OpenWebui.signIn(stock.url, theirs.admin)],
  ];
  // The first document of a worker imports what reads it.
  for (const [, ui] of servers) await complete(ui, nextPdf(), CLOSELY_MS);
  for (let number = 0; number < ROUNDS; number++) {
    for (const [name, ui] of number % 2 ? [...servers].reverse() : servers) await round(name, ui);
    console.error(`round ${number + 1} of ${ROUNDS}`);
  }
  const median = (name: string, what: string) => summarize(of(name, what)).median;
  const limits: Record<string, number> = {
    'one alone': median(UVICORN, 'one alone'),
    'p99 beside three': P99(median(OURS, 'p99 when quiet')),
    'standstill beside three': LONGEST_STANDSTILL,
    failed: 0,
  };
  const units: Record<string, string> = { 'one alone': 's', 'three at once': 's', failed: '' };
  const figures: Figure[] = [...samples].map(([what, values]) => {
    const [name = '', figure = ''] = what.split(': ');
    const limit = name === OURS ? limits[figure] : undefined;
    return { what, unit: units[figure] ?? 'ms', samples: values, ...(limit !== undefined && { limit }) };
  });
  console.log(
    `\n${WORKERS} workers each, vectors in ${vectors}, ${cpus().length} × ${cpus()[0]?.model}\n\n${renderTable(figures)}\n`,
  );
  if (figures.some(isMissed)) process.exitCode = 1;
} finally {
  await scope.close();
}
