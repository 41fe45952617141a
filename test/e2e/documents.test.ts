/** Documents are processed beside the workers: nobody waits for them, and each comes to an end, whatever happens. */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { killAll, startProcess } from '../../src/base/io/started.ts';
import { until } from '../../src/base/io/wait.ts';
import { readMemory } from '../../src/base/machine/process-memory.ts';
import type { ProcessInfo } from '../../src/base/machine/process-table.ts';
import { MIB } from '../../src/base/units.ts';
import { type Beside, beside } from '../../src/bench/client/beside.ts';
import { request } from '../../src/bench/client/http.ts';
import { type FileState, OpenWebui } from '../../src/bench/client/open-webui.ts';
import { makePdf } from '../../src/bench/samples/pdf.ts';
import { APPS, ENV } from '../../src/runtime/contract.ts';
import { type Cluster, planCluster, startCluster } from '../kit/cluster.ts';
import { freePort } from '../kit/ports.ts';
import { makeSlowPdf } from '../kit/slow-pdf.ts';
import { useScope } from '../kit/vitest.ts';
import { makeZipBomb } from '../kit/zip-bomb.ts';

const WORKERS = 2;
const START_MS = 300_000;
const TIMEOUT_MS = 600_000;
/** Of a machine that others use too, whose documents come last. */
const PROCESS_MS = 500_000;
const PDF = 'application/pdf';
const DOCX = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document';

/** How often Open WebUI's page asks for the status of a file. */
const PAGE_MS = 1_000;

/** What must hold. */
const LOOP_MS = 150;
const P99 = (quietMs: number) => 1.5 * quietMs + 50;
const GROWTH = 10 * MIB;

/** Of a machine that others use too: what two measurements differ by anyway. */
const NOISE = 2;

/** What a document may take in the tests of its limits. */
const MEMORY_MIB = 512;
const SECONDS = 5;

const scope = useScope();
let idleServer: string;

const signIn = (cluster: Cluster) => OpenWebui.signIn(cluster.url, cluster.services.admin);
const pidsOf = (processes: ProcessInfo[]) => processes.map(({ pid }) => pid);

/** The end of a file in one word, or the reason. */
const endOf = ({ status, error }: FileState) => (status === 'completed' ? status : `${status}: ${error}`);

function tell(line: string): void {
  process.stderr.write(`documents: ${line}\n`);
}

/** A server that does nothing but answer. */
async function startIdleServer(): Promise<string> {
  const port = await freePort();
  const program =
    'require("node:http").createServer((_, response) => response.end()).listen(+process.argv[1], "127.0.0.1")';
  await startProcess(scope, process.execPath, ['-e', program, `${port}`], { log: '/dev/null' });
  const url = `http://127.0.0.1:${port}`;
  await until(async () => (await request(url).catch(() => undefined))?.status === 200, {
    what: 'the idle server answers',
    timeoutMs: START_MS,
  });
  return url;
}

const measure = <T>(ui: OpenWebui, run: () => Promise<T>) => beside(ui, run, idleServer);

function describeMeasured(what: string, { seconds, p99Ms, standstillMs, idleMs }: Beside<unknown>): void {
  const standstills = `standstill ${standstillMs.toFixed()} ms, of an idle server ${idleMs.toFixed()} ms`;
  tell(`${what}: ${seconds.toFixed(1)} s, p99 ${p99Ms.toFixed()} ms, ${standstills}`);
}

/** Bytes that each worker has of its own. */
const ownMemory = (workers: number[]) => workers.map((pid) => readMemory(pid).private);

async function untilWorkedOn(cluster: Cluster): Promise<ProcessInfo> {
  return until(() => cluster.helpers()[0], {
    what: 'a process works on the document',
    timeoutMs: PROCESS_MS,
    intervalMs: 20,
  });
}

describe('documents beside the workers', () => {
  let cluster: Cluster;
  let ui: OpenWebui;
  let workers: number[];

  beforeAll(async () => {
    idleServer = await startIdleServer();
    cluster = await startCluster(scope, { workers: WORKERS });
    ui = await signIn(cluster);
    const { collection } = await ui.upload(
      'first.txt',
      'The lighthouse of Windhaven was built by Mara Quill in 1843.',
    );
    expect((await ui.query(collection, 'Who built the lighthouse?')).join()).toContain('Mara Quill');
    workers = pidsOf(cluster.pythonWorkers());
  }, START_MS);

  it('keep nobody waiting', { timeout: TIMEOUT_MS }, async () => {
    const quiet = await measure(ui, () => sleep(15_000));
    const before = ownMemory(workers);
    const busy = await measure(ui, async () => {
      const ids = await Promise.all([1, 2, 3].map((i) => ui.send(`${i}.pdf`, makePdf(600, i), PDF)));
      const waited = await until(
        async () => {
          const states = await Promise.all(ids.map((id) => ui.fileState(id)));
          return states.find(({ place, status }) => place || status === 'completed');
        },
        { what: 'the third document waits', timeoutMs: PROCESS_MS, intervalMs: 50 },
      );
      return { waited, ends: await Promise.all(ids.map((id) => ui.processed(id, PROCESS_MS, PAGE_MS))) };
    });
    describeMeasured('quiet', quiet);
    describeMeasured('three of 600 pages', busy);
    const grown = ownMemory(workers).map((bytes, i) => bytes - (before[i] ?? 0));
    tell(`the workers have grown by ${grown.map((bytes) => (bytes / MIB).toFixed(1)).join(' and ')} MiB`);
    expect(busy.value.ends.map(endOf)).toEqual(Array(3).fill('completed'));
    expect(busy.value.waited).toMatchObject({ status: 'pending', place: 1 });
    expect([...quiet.failures, ...busy.failures]).toEqual([]);
    // Where an idle server keeps its callers waiting, the machine does.
    expect(busy.p99Ms).toBeLessThan(NOISE * (P99(quiet.p99Ms) + busy.idleMs));
    expect(busy.standstillMs).toBeLessThan(NOISE * Math.max(LOOP_MS, quiet.standstillMs, busy.idleMs));
    expect(cluster.helpers()).toEqual([]);
  });

  it('leave nothing in a worker, be it a hundred of them', { timeout: TIMEOUT_MS }, async () => {
    const before = ownMemory(workers);
    for (const round of [1, 2]) {
      const started = performance.now();
      const numbers = Array.from({ length: 50 }, (_, i) => 100 * round + i);
      const ids = await Promise.all(numbers.map((i) => ui.send(`${i}.pdf`, makePdf(3, i), PDF)));
      const ends = [];
      // Not fifty that ask all the time.
      for (const id of ids) ends.push(await ui.processed(id, PROCESS_MS));
      tell(`50 at once: ${((performance.now() - started) / 1000).toFixed(1)} s`);
      expect(ends.map(endOf)).toEqual(Array(50).fill('completed'));
    }
    const grown = ownMemory(workers).map((bytes, i) => bytes - (before[i] ?? 0));
    tell(`100 documents: grown by ${grown.map((bytes) => (bytes / MIB).toFixed(1)).join(' and ')} MiB`);
    expect(Math.max(...grown)).toBeLessThan(GROWTH);
    expect(pidsOf(cluster.pythonWorkers())).toEqual(workers);
  });
});

describe('a document', () => {
  let cluster: Cluster;
  let ui: OpenWebui;

  beforeAll(async () => {
    cluster = await planCluster(scope, {
      workers: WORKERS,
      environment: { [ENV.documentSeconds]: `${SECONDS}` },
    });
    const planned = readFileSync(cluster.ecosystemFile, 'utf8');
    const limited = planned.replace(new RegExp(`(${ENV.documentMemory}"?: )"\\d+"`), `$1"${MEMORY_MIB}"`);
    expect(limited).not.toBe(planned);
    writeFileSync(cluster.ecosystemFile, limited);
    await cluster.pm2.start(cluster.ecosystemFile);
    await cluster.untilServing(WORKERS);
    ui = await signIn(cluster);
  }, START_MS);

  const endOfUpload = async (name: string, content: string | Buffer<ArrayBuffer>, type: string) =>
    endOf(await ui.processed(await ui.send(name, content, type), PROCESS_MS));

  it('that takes too long or too much fails with its reason', { timeout: TIMEOUT_MS }, async () => {
    const workers = pidsOf(cluster.pythonWorkers());
    const memory = `failed: it needs more than ${MEMORY_MIB} MiB of memory to be processed`;
    expect(await endOfUpload('slow.pdf', makeSlowPdf(), PDF)).toBe(
      `failed: reading it took more than ${SECONDS} seconds of computing time`,
    );
    // Open WebUI looks at the sizes first.
    expect(await endOfUpload('bomb.docx', makeZipBomb(), DOCX)).toMatch(
      /^failed: .*too large after decompression/,
    );
    expect(
      await endOfUpload('large.txt', Buffer.alloc(500_000_000, 'All work and no play. '), 'text/plain'),
    ).toBe(memory);
    expect(await endOfUpload('broken.pdf', 'no PDF at all', PDF)).toMatch(/^failed: ./);
    expect(pidsOf(cluster.pythonWorkers())).toEqual(workers);
    expect(await endOfUpload('good.txt', 'It goes on.', 'text/plain')).toBe('completed');
  });

  it('whose process is killed fails alone', { timeout: TIMEOUT_MS }, async () => {
    const bad = await ui.send('bad.pdf', makePdf(300, 1), PDF);
    await killAll([await untilWorkedOn(cluster)]);
    const good = await ui.send('good.pdf', makePdf(3, 2), PDF);
    expect(endOf(await ui.processed(bad))).toBe(
      'failed: its process was killed, as the system does where memory is short',
    );
    expect(endOf(await ui.processed(good))).toBe('completed');
  });

  it('outlives its worker, killed or reloaded', { timeout: TIMEOUT_MS }, async () => {
    const first = await ui.send('killed.pdf', makePdf(200, 3), PDF);
    await untilWorkedOn(cluster);
    await killAll(cluster.pythonWorkers());
    await cluster.untilServing(WORKERS);
    expect(endOf(await ui.processed(first))).toBe('completed');
    const second = await ui.send('reloaded.pdf', makePdf(200, 4), PDF);
    await untilWorkedOn(cluster);
    await cluster.pm2.reload(APPS.cluster);
    expect(endOf(await ui.processed(second))).toBe('completed');
  });

  it('begins anew where the preload process does', { timeout: TIMEOUT_MS }, async () => {
    const id = await ui.send('restarted.pdf', makePdf(200, 5), PDF);
    const helper = await untilWorkedOn(cluster);
    await cluster.pm2.run('restart', APPS.preload);
    expect(endOf(await ui.processed(id, PROCESS_MS))).toBe('completed');
    await cluster.untilServing(WORKERS);
    expect(pidsOf(cluster.processes())).not.toContain(helper.pid);
    expect((await ui.query(`file-${id}`, '5.7.1 harbour')).length).toBeGreaterThan(0);
  });
});
