/** `webui-tune restore` on a real Open WebUI: killed, asked to end, and beside another administrator. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../../src/base/errors.ts';
import { until } from '../../src/base/io/wait.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { EMBEDDING_MODEL, startUpstream } from '../../src/bench/scratch/upstream.ts';
import { Installation } from '../kit/installation.ts';
import { PATIENCE_MS } from '../kit/patience.ts';
import { freePort } from '../kit/ports.ts';
import { useScope } from '../kit/vitest.ts';

const EMAIL = 'admin@example.org';
const TIMEOUT_MS = 300_000;

const scope = useScope();
let installation: Installation;
const backup = () => join(installation.home, 'backup.tar');

/** Signs in, which needs the database, Valkey and the key. */
function signIn(): Promise<OpenWebui> {
  const credentials = { email: EMAIL, password: installation.secret('WEBUI_ADMIN_PASSWORD') };
  return until(() => OpenWebui.signIn(installation.url, credentials), {
    what: 'a sign-in',
    timeoutMs: PATIENCE_MS,
    intervalMs: 200,
  });
}

/** Names of the uploads: by the database, and by the folder. */
async function uploads(): Promise<{ rows: string[]; files: string[] }> {
  const client = new Client({ connectionString: installation.secret('DATABASE_URL') });
  await client.connect();
  try {
    const { rows } = await client.query<{ filename: string }>('SELECT filename FROM file ORDER BY 1');
    const files = readdirSync(join(installation.folder, 'data', 'uploads'));
    // Its id comes first.
    return {
      rows: rows.map(({ filename }) => filename),
      files: files.map((name) => name.replace(/^[^_]*_/, '')).sort(),
    };
  } finally {
    await client.end();
  }
}

const both = (...names: string[]) => ({ rows: names, files: names });

const restoreUntil = (step: string, act: (pid: number) => unknown) =>
  installation.runUntil(['restore', backup(), '--overwrite'], step, act);

beforeAll(async () => {
  installation = await Installation.prepare(scope);
  const upstream = await startUpstream(scope);
  await installation.writeSettings({
    OPENAI_API_BASE_URL: upstream.url,
    OPENAI_API_KEY: 'sk-test-key',
    ENABLE_OLLAMA_API: 'false',
    RAG_EMBEDDING_ENGINE: 'openai',
    RAG_EMBEDDING_MODEL: EMBEDDING_MODEL,
    RAG_OPENAI_API_BASE_URL: upstream.url,
    RAG_OPENAI_API_KEY: 'sk-test-key',
    HF_HUB_OFFLINE: '1',
    OFFLINE_MODE: 'true',
  });
  const { code, stderr } = await installation.up(
    ...['--workers', '2', '--admin-email', EMAIL],
    // It looks at the workers too, and goes on while they are stopped.
    ...['--metrics', `${await freePort()}`],
  );
  expect(stderr).toContain('✓ serving');
  expect(code).toBe(EXIT.ok);
  await (await signIn()).upload('kept.txt', 'words');
  expect((await installation.run('backup', backup())).code).toBe(EXIT.ok);
}, TIMEOUT_MS);

describe.sequential('a restore', () => {
  it.each([
    ['stop', 'undone', both('kept.txt', 'later.txt')],
    ['database', 'completed', both('kept.txt')],
    ['start', 'completed', both('kept.txt')],
  ])(
    'that is killed in "%s" is %s by one more command',
    async (step, outcome, expected) => {
      if ((await uploads()).rows.length < 2) await (await signIn()).upload('later.txt', 'words');
      const { code } = await restoreUntil(step, (pid) => process.kill(pid, 'SIGKILL'));
      expect(code).toBe(null);
      const status = await installation.run('status');
      expect(status.stdout).toMatch(/^unfinished: the restore of .*: webui-tune resume$/m);
      const resumed = await installation.run('resume');
      expect(resumed.stderr).toContain(`the restore of ${backup()} is ${outcome}`);
      expect(resumed.code).toBe(EXIT.ok);
      await signIn();
      expect(await uploads()).toEqual(expected);
      expect((await installation.run('status')).stdout).not.toContain('unfinished');
    },
    TIMEOUT_MS,
  );

  it(
    'that is asked to end is undone, and keeps another administrator out meanwhile',
    async () => {
      if ((await uploads()).rows.length < 2) await (await signIn()).upload('later.txt', 'words');
      const { code, stderr } = await restoreUntil('stop', async (pid) => {
        const other = await installation.run('backup', join(installation.home, 'other.tar'));
        expect(other.stderr).toContain(`another webui-tune changes this installation (process ${pid})`);
        expect(other.code).toBe(EXIT.service);
        process.kill(pid, 'SIGTERM');
      });
      expect(stderr).toContain('error: interrupted by SIGTERM');
      expect(code).toBe(EXIT.service);
      await signIn();
      expect(await uploads()).toEqual(both('kept.txt', 'later.txt'));
      expect((await installation.run('resume')).stderr).toBe('nothing is half done');
    },
    TIMEOUT_MS,
  );
});
