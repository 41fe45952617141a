/** How much is preloaded: chosen by what is safe and what is used, and nothing is lost by any of it. */
import { describe, expect, it } from 'vitest';
import { type Cluster, type ClusterOptions, startCluster } from '../kit/cluster.ts';
import { OpenWebui } from '../kit/openwebui.ts';
import { useScope } from '../kit/vitest.ts';

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

interface Case extends ClusterOptions {
  what: string;
  level: string;
  reason: RegExp;
}

const cases: Case[] = [
  {
    what: 'local embeddings: the whole app, torch shared by all workers',
    workers: 2,
    embeddings: 'local',
    level: 'app',
    reason: /preloaded app \(documents are embedded by a local model \(RAG_EMBEDDING_ENGINE is empty\)\)/,
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

describe.each(cases)('$what', ({ level, reason, what: _, ...options }) => {
  it('is logged and shown, and a document is embedded and found', async () => {
    const cluster = await startCluster(scope, options);
    expect(await cluster.preloadLog()).toMatch(reason);
    expect(await shownLevel(cluster), await cluster.preloadLog()).toBe(level);
    await expectDocumentFound(cluster);
    await cluster.pm2.kill();
  });
});
