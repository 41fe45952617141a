/** An old server as somebody has written it for PM2: one process of Open WebUI, SQLite, a local Chroma folder. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../../../src/base/io/wait.ts';
import { readSecrets } from '../../../src/tune/secrets/secrets-file.ts';
import { LEAN, openWebuiEnvironment } from '../environment.ts';
import type { Installation } from '../installation.ts';

/** Name of its app. */
export const OLD = 'old';
const START_TIMEOUT_MS = 300_000;

/** The data folder of `up`. */
export const dataDirOf = ({ folder }: Installation) => join(folder, 'data');

/**
 * Starts it on the port that the new one will have, and waits until it serves. `dataDir`: by default that of `up`, so that
 * no file has to move.
 */
export async function startOld(
  installation: Installation,
  settings: Record<string, string>,
  dataDir = dataDirOf(installation),
): Promise<void> {
  const { home, port, pm2 } = installation;
  const app = {
    name: OLD,
    script: openWebuiEnvironment().python,
    args: `-m uvicorn open_webui.main:app --host 127.0.0.1 --port ${port}`,
    interpreter: 'none',
    cwd: home,
    kill_timeout: 20_000,
    env: {
      ...settings,
      ...LEAN,
      FROM_INIT_PY: 'true',
      // It publishes its OpenAPI document only so.
      ENV: 'dev',
      DATA_DIR: dataDir,
      STATIC_DIR: join(home, 'static'),
    },
  };
  const file = join(home, 'old.config.cjs');
  await writeFile(file, `module.exports = ${JSON.stringify({ apps: [app] })};\n`);
  await pm2.run('start', file);
  await untilServed(installation);
}

export const isServed = async ({ url }: Installation) => (await fetch(`${url}/health`)).ok;

/** Until Open WebUI serves, the old one or the new. */
export const untilServed = (installation: Installation) =>
  until(() => isServed(installation), {
    what: 'Open WebUI serves',
    timeoutMs: START_TIMEOUT_MS,
    intervalMs: 100,
  });

/** Names of what PM2 runs now, one for each process. */
export async function onlineApps({ pm2 }: Installation): Promise<string[]> {
  const running = (await pm2.list()).filter(({ pm2_env }) => pm2_env.status === 'online');
  return running.map(({ name }) => name).sort();
}

/** What Open WebUI is pointed at; undefined: SQLite. */
export const databaseUrl = ({ secretsFile }: Installation) => readSecrets(secretsFile).get('DATABASE_URL');
