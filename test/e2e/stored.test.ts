/** Settings in the `config` table of a real SQLite database, made by Open WebUI's own migrations and its own seeding. */
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { PlanSchema } from '../../src/plan/schema.ts';
import { CLI, openWebuiEnvironment } from '../kit/environment.ts';
import { useScope } from '../kit/vitest.ts';

const scope = useScope();
const { python } = openWebuiEnvironment();

/** What the first start does to an empty database, the engine of the environment included. */
const FIRST_START =
  'import asyncio, open_webui.config as config; asyncio.run(config.seed_registered_defaults())';

let home: string;
let dataDir: string;

function environment(settings: Record<string, string>): { env: Record<string, string>; extendEnv: false } {
  return { env: { PATH: process.env.PATH ?? '', HOME: home, ...settings }, extendEnv: false };
}

async function planWith(settings: Record<string, string>) {
  const { stdout } = await execa(process.execPath, [CLI, '--python', python, '--json'], {
    cwd: home,
    ...environment(settings),
  });
  return PlanSchema.parse(JSON.parse(stdout));
}

beforeAll(async () => {
  home = await temporaryFolder(scope, 'stored');
  dataDir = join(home, 'data');
  await mkdir(dataDir);
  const settings = {
    DATA_DIR: dataDir,
    STATIC_DIR: join(home, 'static'),
    FROM_INIT_PY: 'true',
    WEBUI_SECRET_KEY: 'of this test',
    RAG_EMBEDDING_ENGINE: 'ollama',
    ENABLE_OLLAMA_API: 'False',
  };
  await execa(python, ['-c', FIRST_START], { cwd: home, ...environment(settings) });
});

describe.each([
  ['in the data folder', () => ({ DATA_DIR: dataDir })],
  ['that DATABASE_URL names', () => ({ DATABASE_URL: `sqlite:///${dataDir}/webui.db` })],
])('a database %s', (_, place) => {
  it('overrules the environment, and the report says so', async () => {
    const plan = await planWith({ ...place(), RAG_EMBEDDING_ENGINE: 'openai' });
    expect(plan.services.database).toMatchObject({
      kind: 'sqlite',
      stored: { 'rag.embedding_engine': 'ollama', 'ollama.enable': 'false' },
    });
    expect(plan.warnings.filter((warning) => warning.includes('has no effect'))).toEqual([
      expect.stringContaining('RAG_EMBEDDING_ENGINE (environment) has no effect'),
    ]);
  });

  it('is nothing to warn of where it says the same', async () => {
    const plan = await planWith({ ...place(), RAG_EMBEDDING_ENGINE: 'ollama', ENABLE_OLLAMA_API: 'False' });
    expect(plan.warnings.join()).not.toContain('has no effect');
  });
});

it('is left as it was, with a write-ahead log and without', async () => {
  const looksAtIt = async () => {
    const before = await readdir(dataDir);
    const { services } = await planWith({ DATA_DIR: dataDir });
    expect(services.database).toHaveProperty('stored');
    expect(await readdir(dataDir)).toEqual(before);
    return before;
  };
  expect(await looksAtIt()).toContain('webui.db-wal');
  // The last one to close a database takes its log away.
  const close = `import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute("SELECT 1 FROM config"); db.close()`;
  await execa(python, ['-c', close, join(dataDir, 'webui.db')], environment({}));
  expect(await looksAtIt()).not.toContain('webui.db-wal');
});
