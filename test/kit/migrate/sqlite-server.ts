/** Open WebUI as it runs by default: one process, SQLite, a local Chroma folder. Of any version. */
import { join } from 'node:path';
import type { Scope } from '../../../src/base/io/scope.ts';
import { type StartedProcess, startProcess, untilServing } from '../../../src/base/io/started.ts';
import { temporaryFolder } from '../../../src/base/io/temp.ts';
import { EMBEDDING_MODEL, type Upstream } from '../../../src/bench/scratch/upstream.ts';
import { LEAN, openWebuiEnvironment } from '../environment.ts';
import { freePort } from '../ports.ts';
import { SECRET_KEY, SETTINGS } from './people.ts';

/** It makes all tables first. */
const START_TIMEOUT_MS = 300_000;

export interface SqliteServer {
  url: string;
  process: StartedProcess;
}

/** Settings of the old server, and of the new one but for where its data are. */
export function sqliteSettings(upstream: Upstream): Record<string, string> {
  return {
    ...SETTINGS,
    WEBUI_SECRET_KEY: SECRET_KEY,
    OPENAI_API_BASE_URL: upstream.url,
    OPENAI_API_KEY: 'sk-of-no-one',
    RAG_EMBEDDING_ENGINE: 'openai',
    RAG_EMBEDDING_MODEL: EMBEDDING_MODEL,
    RAG_OPENAI_API_BASE_URL: upstream.url,
    RAG_OPENAI_API_KEY: 'sk-of-no-one',
    ENABLE_OLLAMA_API: 'false',
    HF_HUB_OFFLINE: '1',
    OFFLINE_MODE: 'true',
    ANONYMIZED_TELEMETRY: 'false',
    DO_NOT_TRACK: 'true',
    SCARF_NO_ANALYTICS: 'true',
  };
}

/** `python`: by default that of the tests' version. A folder of an older version is migrated as it starts. */
export async function startSqliteServer(
  scope: Scope,
  dataDir: string,
  upstream: Upstream,
  python = openWebuiEnvironment().python,
): Promise<SqliteServer> {
  const folder = await temporaryFolder(scope, 'sqlite');
  const port = await freePort();
  const server = await startProcess(
    scope,
    python,
    ['-m', 'uvicorn', 'open_webui.main:app', '--host', '127.0.0.1', '--port', `${port}`],
    {
      log: join(folder, 'log'),
      cwd: folder,
      env: {
        ...sqliteSettings(upstream),
        // Of older versions, nobody knows what they import torch for.
        ...(python === openWebuiEnvironment().python && LEAN),
        HOME: folder,
        FROM_INIT_PY: 'true',
        // It publishes its OpenAPI document only so.
        ENV: 'dev',
        DATA_DIR: dataDir,
        STATIC_DIR: join(folder, 'static'),
      },
    },
  );
  const url = `http://127.0.0.1:${port}`;
  await untilServing(server, async () => (await fetch(`${url}/health`)).ok, {
    what: 'Open WebUI on SQLite serves',
    timeoutMs: START_TIMEOUT_MS,
  });
  return { url, process: server };
}
