import { dirname, join } from 'node:path';
import { LOOPBACK } from '../../base/io/address.ts';
import { freePort } from '../../base/io/port.ts';
import type { Scope } from '../../base/io/scope.ts';
import { type StartOptions, startProcess, untilServing } from '../../base/io/started.ts';
import { temporaryFolder } from '../../base/io/temp.ts';

const START_TIMEOUT_MS = 60_000;

interface ChromaOptions extends Pick<StartOptions, 'env' | 'detached'> {
  /** Folder for its own. */
  parent?: string;
}

/**
 * A Chroma server: a vector store for several processes that needs no extension of PostgreSQL. Open WebUI brings the
 * program, beside its interpreter `python`.
 */
export async function startChroma(
  scope: Scope,
  python: string,
  { parent, env, ...start }: ChromaOptions = {},
): Promise<{ port: number }> {
  const folder = await temporaryFolder(scope, 'chroma', parent);
  const port = await freePort(LOOPBACK, 0);
  const program = join(dirname(python), 'chroma');
  const server = await startProcess(
    scope,
    program,
    ['run', '--host', '127.0.0.1', '--port', `${port}`, '--path', join(folder, 'data')],
    {
      ...start,
      log: join(folder, 'log'),
      cwd: folder,
      env: { ANONYMIZED_TELEMETRY: 'false', HOME: folder, ...env },
    },
  );
  const heartbeat = `http://127.0.0.1:${port}/api/v2/heartbeat`;
  await untilServing(server, async () => (await fetch(heartbeat)).ok, {
    what: 'Chroma answers',
    timeoutMs: START_TIMEOUT_MS,
  });
  return { port };
}
