/**
 * Makes test/data/open-webui-VERSION.tar.xz anew: starts a real Open WebUI of each older version (pip installs it, 3 GB,
 * some minutes), has it make data of every kind through its API, and keeps its folder. `npm run data:older -- [VERSION…]`
 */
import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { Scope } from '../src/base/io/scope.ts';
import { temporaryFolder } from '../src/base/io/temp.ts';
import { startUpstream } from '../src/bench/scratch/upstream.ts';
import { ROOT } from '../test/kit/environment.ts';
import { keepData, OLDER_VERSIONS } from '../test/kit/migrate/kept-data.ts';
import { makeData } from '../test/kit/migrate/make-data.ts';
import { startSqliteServer } from '../test/kit/migrate/sqlite-server.ts';
import { olderEnvironment } from './environments.mjs';

async function keep(version: string): Promise<void> {
  const prepare = join(ROOT, 'scripts', 'prepare.mjs');
  execFileSync(process.execPath, [prepare, '--older', version], { stdio: 'inherit' });
  const { python } = olderEnvironment(version);
  const scope = new Scope();
  try {
    const dataDir = await temporaryFolder(scope, 'older');
    const server = await startSqliteServer(scope, dataDir, await startUpstream(scope), python);
    await makeData(server.url);
    await server.process.stop();
    const archive = await keepData(version, dataDir);
    process.stderr.write(`${archive}: ${Math.ceil(statSync(archive).size / 1024)} KiB\n`);
  } finally {
    await scope.close();
  }
}

async function main(words: string[]): Promise<void> {
  for (const version of words.length > 0 ? words : OLDER_VERSIONS) await keep(version);
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
});
