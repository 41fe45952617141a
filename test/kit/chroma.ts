import { join } from 'node:path';
import { openWebuiEnvironment } from './environment.ts';
import { freePort } from './ports.ts';
import { startProcess, untilServing } from './processes.ts';
import type { Scope } from './scope.ts';
import { temporaryFolder } from './temp.ts';

const START_TIMEOUT_MS = 60_000;

/** A Chroma server: a vector store for several processes that needs no extension of PostgreSQL. */
export async function startChroma(scope: Scope): Promise<{ port: number }> {
  const folder = await temporaryFolder(scope, 'chroma');
  const port = await freePort();
  const program = join(openWebuiEnvironment().folder, 'bin', 'chroma');
  const server = await startProcess(
    scope,
    program,
    ['run', '--host', '127.0.0.1', '--port', `${port}`, '--path', join(folder, 'data')],
    { log: join(folder, 'log'), cwd: folder, env: { ANONYMIZED_TELEMETRY: 'false', HOME: folder } },
  );
  const heartbeat = `http://127.0.0.1:${port}/api/v2/heartbeat`;
  await untilServing(server, async () => (await fetch(heartbeat)).ok, {
    what: 'Chroma answers',
    timeoutMs: START_TIMEOUT_MS,
  });
  return { port };
}
