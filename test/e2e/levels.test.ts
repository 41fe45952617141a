/** How much is preloaded: chosen by what is safe and what is used, and nothing is lost by any of it. */
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { type Cluster, type ClusterOptions, startCluster } from '../kit/cluster.ts';
import { openWebuiEnvironment } from '../kit/environment.ts';
import { OpenWebui } from '../kit/openwebui.ts';
import { temporaryFolder } from '../kit/temp.ts';
import { useScope } from '../kit/vitest.ts';

/** Four starts share the cores. */
const TIMEOUT_MS = 300_000;

const scope = useScope();

/** A document whose two topics a question tells apart. */
const DOCUMENT = `${'The lighthouse of Windhaven was built by Mara Quill in 1843. '.repeat(3)}

${'Bread rises because yeast makes gas out of sugar. '.repeat(3)}`;

async function expectDocumentFound(cluster: Cluster): Promise<void> {
  const ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
  const { collection } = await ui.upload('facts.txt', DOCUMENT);
  const found = await ui.query(collection, 'Who built the lighthouse?');
  expect(found.length).toBeGreaterThan(0);
  expect(found.join('\n')).toContain('Mara Quill');
}

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

interface Case extends ClusterOptions {
  what: string;
  /** Whether what is found is ranked by a local model too. */
  ranks?: boolean;
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
    what: 'lean on demand though embeddings are local: a worker imports torch for itself',
    workers: 2,
    embeddings: 'local',
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
    what: 'nothing preloaded, on demand',
    workers: 1,
    args: ['--preload', 'none'],
    level: 'none',
    reason: /preloaded none \(--preload none\)/,
  },
];

// At once: a start is mostly one process that imports, and each cluster is an installation of its own.
describe.concurrent.each(cases)('$what', ({ level, reason, ranks, what: _, ...options }) => {
  it(
    'is logged and shown, and a document is embedded and found',
    async () => {
      const ranking = ranks && {
        settings: { ENABLE_RAG_HYBRID_SEARCH: 'true', RAG_RERANKING_MODEL: await makeReranker() },
      };
      const cluster = await startCluster(scope, { ...options, ...ranking });
      expect(await cluster.preloadLog()).toMatch(reason);
      expect(await shownLevel(cluster), await cluster.preloadLog()).toBe(level);
      await expectDocumentFound(cluster);
      await cluster.pm2.kill();
    },
    TIMEOUT_MS,
  );
});
