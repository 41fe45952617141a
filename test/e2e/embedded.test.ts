/** PostgreSQL from PyPI, installed by a root whose umask lets nobody else read, and run by another account. */
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { servicePaths } from '../../src/facts/embedded/folder.ts';
import { packagesFolder, programsIn } from '../../src/facts/embedded/packages.ts';
import { findAccount } from '../../src/setup/embedded/account.ts';
import { makeServicesFolder } from '../../src/setup/embedded/make-folder.ts';
import { keepPasswords } from '../../src/setup/embedded/passwords.ts';
import { hasPostgresData, initPostgres } from '../../src/setup/embedded/postgres.ts';
import { installServices } from '../../src/setup/python/pip.ts';
import { openWebuiEnvironment } from '../kit/environment.ts';
import { useScope } from '../kit/vitest.ts';

const isRoot = process.getuid?.() === 0;
if (!isRoot)
  process.stderr.write('skipped: services under a strict umask. Only root runs them as another account\n');

const scope = useScope();

it.skipIf(!isRoot)('is made by an account that is not root, although root’s umask is 027', async () => {
  const folder = await temporaryFolder(scope, 'umask');
  chmodSync(folder, 0o755);
  const services = join(folder, 'services');
  const before = process.umask(0o027);
  try {
    makeServicesFolder(services);
    const packages = packagesFolder(services);
    mkdirSync(join(folder, 'logs'));
    await installServices(packages, openWebuiEnvironment().python, {
      env: process.env,
      log: join(folder, 'logs', 'pip.log'),
      progress: () => {},
    });
    const account = findAccount('nobody');
    const passwords = keepPasswords(servicePaths(services).passwords);
    const programs = programsIn(packages);
    await initPostgres(services, programs, passwords, { account, env: process.env });
    expect(hasPostgresData(services)).toBe(true);
    // The account runs the other programs too.
    const { stdout } = await execa(programs.valkey, ['--version'], {
      uid: account?.uid as number,
      gid: account?.gid as number,
    });
    expect(stdout).toContain('v=9');
  } finally {
    process.umask(before);
  }
});
