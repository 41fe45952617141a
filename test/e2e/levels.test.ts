/** How much is preloaded: chosen by what is safe and what is used, and nothing is lost by any of it. */
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { until } from '../../src/base/io/wait.ts';
import { type Cluster, type ClusterOptions, startCluster } from '../kit/cluster.ts';
import { openWebuiEnvironment } from '../kit/environment.ts';
import { findInDocument, modelsOf, placeModel, settingsOfModel, startBlackHole } from '../kit/hub.ts';
import { PATIENCE_MS } from '../kit/patience.ts';
import { useScope } from '../kit/vitest.ts';

/** Four starts share the cores. */
const TIMEOUT_MS = 300_000;

const scope = useScope();

async function shownLevel(cluster: Cluster): Promise<unknown> {
  const [instance] = await cluster.instances();
  return instance?.pm2_env.axm_monitor['Preload level']?.value;
}

/** The embedding model with a head that was never trained: it ranks at random, and is loaded and asked as any other. */
async function makeReranker(): Promise<string> {
  const { python, embeddingModel } = openWebuiEnvironment();
  const folder = join(await temporaryFolder(scope, 'reranker'), 'model');
  const program =
    'import sys; from sentence_transformers import CrossEncoder; CrossEncoder(sys.argv[1], num_labels=1).save_pretrained(sys.argv[2])';
  await execa(python, ['-c', program, embeddingModel, folder], { env: { HF_HUB_OFFLINE: '1' } });
  return folder;
}

/** Settings of a model that is here, and of a hub that does not answer. */
async function cutOffModel(): Promise<Record<string, string>> {
  const home = await temporaryFolder(scope, 'hf');
  await placeModel(home);
  return settingsOfModel(await startBlackHole(scope), home);
}

interface Case extends ClusterOptions {
  what: string;
  /** Whether what is found is ranked by a local model too. */
  ranks?: boolean;
  /** Whether the embedding model is in the cache of Hugging Face, whose address is one from which nothing ever comes. */
  isCutOff?: boolean;
  level: string;
  reason: RegExp;
}

const cases: Case[] = [
  {
    what: 'a local embedding model and a reranker: the whole app, torch and both models shared by all workers',
    workers: 2,
    embeddings: 'local',
    ranks: true,
    level: 'app',
    reason:
      /loaded the embedding model .* for all workers[\s\S]*loaded the reranker .* for all workers[\s\S]*preloaded app \(documents are embedded by a local model \(RAG_EMBEDDING_ENGINE is empty\)\)/,
  },
  {
    what: 'lean on demand though embeddings are local: a worker imports torch for itself, and needs no network',
    workers: 2,
    embeddings: 'local',
    isCutOff: true,
    args: ['--preload', 'lean'],
    level: 'lean',
    reason: /preloaded lean \(--preload lean\)/,
  },
  {
    what: 'a local Chroma folder: its threads and files do not outlive a fork, so the libraries alone',
    workers: 1,
    settings: { CHROMA_HTTP_HOST: '' },
    level: 'libraries',
    reason: /level lean cannot be forked: .*chroma\.sqlite3.*Going on with libraries/,
  },
  {
    what: 'nothing preloaded, on demand: a worker needs no network',
    workers: 1,
    embeddings: 'local',
    isCutOff: true,
    args: ['--preload', 'none'],
    level: 'none',
    reason: /preloaded none \(--preload none\)/,
  },
];

/** Nobody may wait for a hub that is not there. */
async function expectNoWait(cluster: Cluster): Promise<void> {
  const logs = await cluster.pm2.run('logs', '--nostream', '--lines', '500');
  expect(logs).not.toMatch(/Retrying in|MaxRetryError|ConnectTimeout/);
  expect(await until(() => modelsOf(cluster), { what: 'the state', timeoutMs: PATIENCE_MS })).toMatchObject({
    offline: false,
    models: [{ here: true }],
  });
}

// At once: a start is mostly one process that imports, and each cluster is an installation of its own.
describe.concurrent.each(cases)('$what', ({ level, reason, ranks, isCutOff, what: _, ...options }) => {
  it(
    'is logged and shown, and a document is embedded and found',
    async () => {
      const settings = {
        ...options.settings,
        ...(ranks && { ENABLE_RAG_HYBRID_SEARCH: 'true', RAG_RERANKING_MODEL: await makeReranker() }),
        ...(isCutOff && (await cutOffModel())),
      };
      const cluster = await startCluster(scope, { ...options, settings });
      expect(await cluster.preloadLog()).toMatch(reason);
      expect(await shownLevel(cluster), await cluster.preloadLog()).toBe(level);
      expect(await findInDocument(cluster)).toContain('Mara Quill');
      if (isCutOff) await expectNoWait(cluster);
      await cluster.pm2.kill();
    },
    TIMEOUT_MS,
  );
});
