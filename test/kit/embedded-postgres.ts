/** The PostgreSQL with pgvector that `webui-tune up` brings, set up by the same code, without Open WebUI and PM2. */
import { existsSync } from 'node:fs';
import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { execa } from 'execa';
import type { Scope } from '../../src/base/io/scope.ts';
import { type StartedProcess, startProcess, untilServing } from '../../src/base/io/started.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { embeddedPostgres } from '../../src/facts/embedded/apps.ts';
import { servicePaths } from '../../src/facts/embedded/folder.ts';
import type { Installed } from '../../src/facts/embedded/installed.ts';
import {
  type Programs,
  packagesFolder,
  programsIn,
  requirementsText,
} from '../../src/facts/embedded/packages.ts';
import { findAccount } from '../../src/setup/embedded/account.ts';
import { postgresConfig } from '../../src/setup/embedded/config.ts';
import { embeddedUrls, keepPasswords } from '../../src/setup/embedded/passwords.ts';
import { initPostgres, prepareDatabase } from '../../src/setup/embedded/postgres.ts';
import { pipInstallPackages } from '../../src/setup/python/pip.ts';
import { openWebuiEnvironment, sharedCache } from './environment.ts';
import { PATIENCE_MS } from './patience.ts';
import { freePort } from './ports.ts';

export interface EmbeddedPostgres {
  /** With the role of Open WebUI, which is no superuser. */
  url: string;
  password: string;
  /** Folder of all of it. */
  services: string;
  /** Folder of pg_dump and the others. */
  tools: string;
  process: StartedProcess;
}

export async function startEmbeddedPostgres(scope: Scope): Promise<EmbeddedPostgres> {
  const services = await temporaryFolder(scope, 'embedded');
  // Another account runs PostgreSQL where the tests are root: it has to get in.
  await chmod(services, 0o755);
  const programs = await installPackages(services);
  const account = process.getuid?.() === 0 ? findAccount('nobody') : undefined;
  const installed: Installed = {
    ...(account && { account: { user: account.user, group: account.group } }),
    postgresPort: await freePort(),
    valkeyPort: await freePort(),
  };
  const places = servicePaths(services);
  const passwords = keepPasswords(places.passwords);
  await writeFile(places.postgresConfig, postgresConfig(installed.postgresPort, 1, process.platform));
  await initPostgres(services, programs, passwords, { account, env: process.env });
  const { program, args } = embeddedPostgres(services, programs, installed);
  const server = await startProcess(scope, program, [...args], {
    log: join(services, 'log'),
    cwd: services,
    uid: account?.uid,
    // Its "fast" shutdown; SIGTERM would wait for its clients.
    endSignal: 'SIGINT',
  });
  await untilServing(
    server,
    async () => {
      await prepareDatabase(installed, passwords);
      return true;
    },
    {
      what: 'the embedded PostgreSQL answers',
      timeoutMs: PATIENCE_MS,
    },
  );
  const url = embeddedUrls(passwords, installed).DATABASE_URL;
  return { url, password: passwords.openwebui, services, tools: programs.postgres, process: server };
}

/**
 * A copy of what pip has installed once for all tests: what lies in a home of root's, such as a cache, another account cannot
 * enter.
 */
export async function installPackages(services: string): Promise<Programs> {
  const folder = packagesFolder(services);
  const shared = join(sharedCache(), basename(folder));
  if (!existsSync(shared)) await installShared(shared);
  await execa('cp', ['--archive', shared, folder]);
  return programsIn(folder);
}

/** It gets its name last: another process may do the same. */
async function installShared(shared: string): Promise<void> {
  const folder = `${shared}.${process.pid}`;
  await mkdir(folder, { recursive: true });
  const list = join(folder, 'requirements.txt');
  await writeFile(list, requirementsText());
  const args = ['--target', folder, '--no-deps', '--only-binary', ':all:', '--require-hashes', '-r', list];
  await pipInstallPackages(openWebuiEnvironment().python, args, {
    env: process.env,
    log: join(folder, 'pip.log'),
    progress: () => {},
  });
  await rename(folder, shared).catch(async (error) => {
    if (!existsSync(shared)) throw error;
    await rm(folder, { recursive: true });
  });
}
