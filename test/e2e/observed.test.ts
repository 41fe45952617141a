/** A plan that corrects itself: what the running tree shows, what the next plan makes of it, and what the doctor says. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { traffic, treePss } from '../../bench/measure.ts';
import { APPS } from '../../src/runtime/contract.ts';
import type { Observed } from '../../src/tune/measurements/observed.ts';
import { type Cluster, planCluster, planOf } from '../kit/cluster.ts';
import { examine } from '../kit/doctor.ts';
import { CLI, openWebuiEnvironment, sharedCache } from '../kit/environment.ts';
import { Installation } from '../kit/installation.ts';
import { MIB } from '../kit/memory.ts';
import { startServices } from '../kit/services.ts';
import { useScope } from '../kit/vitest.ts';

const WORKERS = 2;
const START_TIMEOUT_MS = 600_000;

const scope = useScope();

/** A measurement of nobody: far less than Open WebUI takes, and older than all that will be observed. */
function keepTooLittle(home: string, plan: Awaited<ReturnType<typeof planOf>>): void {
  const { openWebui, memory, machine, preset } = plan;
  const figures: Observed = {
    observed: true,
    conditions: {
      openWebui: openWebui.version,
      python: openWebui.python,
      torch: openWebui.torch ?? '',
      architecture: machine.architecture,
      preset,
      level: 'full',
      embedsLocally: true,
      settings: memory.conditions ?? '',
    },
    at: '2026-01-01T00:00:00.000Z',
    base: 300 * MIB,
    worker: 30 * MIB,
    idle: 30 * MIB,
    supervisor: 5 * MIB,
  };
  const folder = join(home, '.local/share/webui-tune/measurements');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'too-little.json'), JSON.stringify(figures));
}

async function writePlan({ folder, args, ecosystemFile }: Cluster): Promise<void> {
  await execa(process.execPath, [CLI, ...args, '--out', ecosystemFile, '--force'], {
    cwd: folder,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: join(folder, 'home'),
      LANG: 'C.UTF-8',
      XDG_CACHE_HOME: sharedCache(),
    },
    extendEnv: false,
  });
}

/** Off by so much, as a share of what was measured; the figures go to the log. */
function differenceOf(what: string, predicted: number, measured: number): number {
  const difference = predicted / measured - 1;
  const mib = (bytes: number) => `${Math.round(bytes / MIB)} MiB`;
  process.stderr.write(
    `${what}: predicted ${mib(predicted)}, measured ${mib(measured)}, ${(100 * difference).toFixed(1)} %\n`,
  );
  return Math.abs(difference);
}

it(
  'is within 15 % before anything has run here, within 5 % the next time, and the doctor tells when it is not',
  async () => {
    const cluster = await planCluster(scope, { workers: WORKERS, embeddings: 'local' });
    const first = await planOf(cluster);
    expect(first.memory).toMatchObject({ level: 'full', embedsLocally: true });
    expect(first.memory.measuredAt).toBeUndefined();
    keepTooLittle(join(cluster.folder, 'home'), first);
    await writePlan(cluster);
    await cluster.pm2.start(cluster.ecosystemFile);
    await cluster.untilServing(WORKERS);
    await traffic(cluster);
    const measured = treePss(cluster.processes()) * MIB;
    expect(differenceOf('first start', first.memory.predicted, measured)).toBeLessThan(0.15);

    // The file was made with figures that are wrong, and the mend is to make it with what was seen.
    const [found] = (await examine(cluster)).of('machine.memory');
    expect(found?.verdict).toBe('warning');
    expect(found?.found).toMatch(
      /: preload \d+ MiB \(planned 300 MiB\); 2 workers \d+ MiB, the largest \d+ MiB/,
    );
    expect(found?.mend.join()).toContain(`webui-tune --out ${cluster.ecosystemFile} --force`);
    await writePlan(cluster);
    expect((await examine(cluster)).of('machine.memory')[0]).toMatchObject({ verdict: 'ok' });

    const socket = await cluster.controlSocket();
    await cluster.untilObserved();
    const second = await planOf(cluster);
    expect(second.memory.source).toMatch(/^observed on this machine on \d{4}-\d\d-\d\d$/);
    await cluster.pm2.run('delete', APPS.cluster, APPS.preload);
    await writePlan(cluster);
    await cluster.pm2.start(cluster.ecosystemFile);
    await cluster.untilServing(WORKERS);
    await traffic(cluster);
    const again = treePss(cluster.processes()) * MIB;
    expect(differenceOf('second start', second.memory.predicted, again)).toBeLessThan(0.05);
    expect((await examine(cluster)).of('machine.memory')[0]).toMatchObject({ verdict: 'ok' });

    // Half a file breaks no plan.
    writeFileSync(join(dirname(socket), 'observed-preload.json'), '{"at": "2026-');
    const { memory, warnings } = await planOf(cluster);
    expect(memory.source).toMatch(/^observed on this machine/);
    expect(warnings.filter((text) => text.includes('observed-preload.json is not used'))).toHaveLength(1);
  },
  START_TIMEOUT_MS,
);

it(
  'up plans again at once where the tree takes more than its budget, and once',
  async () => {
    const services = await startServices(scope);
    const installation = await Installation.prepare(scope);
    await installation.writeSettings({
      DATABASE_URL: services.databaseUrl,
      REDIS_URL: services.redisUrl,
      CHROMA_HTTP_HOST: '127.0.0.1',
      CHROMA_HTTP_PORT: `${services.chromaPort}`,
      RAG_EMBEDDING_MODEL: openWebuiEnvironment().embeddingModel,
      OPENAI_API_BASE_URL: services.upstream.url,
      OPENAI_API_KEY: services.apiKey,
      ENABLE_OLLAMA_API: 'false',
      HF_HUB_OFFLINE: '1',
      OFFLINE_MODE: 'true',
    });
    const { stdout } = await installation.run(
      '--json',
      ...['--python', openWebuiEnvironment().python],
      ...['--env-file', join(installation.folder, 'open-webui.env')],
    );
    keepTooLittle(installation.home, JSON.parse(stdout));
    const up = () => installation.up('--workers', `${WORKERS}`, '--memory', '1000MiB');
    const first = await up();
    process.stderr.write(first.stderr);
    expect(first.code).toBe(0);
    expect(first.stderr).toMatch(
      /planned again with what was observed: the tree took [\d.,]+ \wiB of a budget of/,
    );
    expect(first.stderr.match(/^.*planned again with what was observed/gm)).toHaveLength(1);
    expect((await installation.processes()).get(APPS.cluster)).toHaveLength(1);
    const pids = await installation.workerPids();
    const second = await up();
    expect(second.code).toBe(0);
    expect(await installation.workerPids()).toEqual(pids);
  },
  START_TIMEOUT_MS,
);
