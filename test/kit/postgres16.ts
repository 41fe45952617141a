/** A PostgreSQL 16 with pgvector: older than the one that `webui-tune up` brings, newer than Debian's. */
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { Client } from 'pg';
import { environments } from '../../scripts/environments.mjs';
import type { Scope } from '../../src/base/io/scope.ts';
import { startProcess, untilServing } from '../../src/base/io/started.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { findAccount, giveTo } from '../../src/setup/embedded/account.ts';
import { PATIENCE_MS } from './patience.ts';
import { freePort } from './ports.ts';

/** Roles: the first is the superuser, the second owns the database of its name, as Open WebUI's role does. */
const SUPERUSER = 'postgres';
const ROLE = 'openwebui';

/** Why there can be none here; undefined: there can. */
export function whyNoPostgres16(): string | undefined {
  const { postgres16 } = environments();
  if (postgres16.isComplete()) return undefined;
  return `${postgres16.folder} is not set up: node scripts/prepare.mjs says why`;
}

/** Returns the URL for a role that is no superuser, of a database that has pgvector. */
export async function startPostgres16(scope: Scope): Promise<string> {
  const folder = await temporaryFolder(scope, 'postgres16');
  // PostgreSQL does not run as root: another account has to get in, and cannot enter a cache in root's home.
  await chmod(folder, 0o755);
  const account = process.getuid?.() === 0 ? findAccount('nobody') : undefined;
  const bin = await copyPrograms(folder);
  const [data, passwordFile, password] = [join(folder, 'data'), join(folder, 'password'), 'of-these-tests'];
  await mkdir(data, { mode: 0o700 });
  await writeFile(passwordFile, password, { mode: 0o600 });
  giveTo(account, data);
  giveTo(account, passwordFile);
  const asAccount = { cwd: folder, ...(account && { uid: account.uid, gid: account.gid }) };
  await execa(
    join(bin, 'initdb'),
    ['-D', data, '-U', SUPERUSER, `--pwfile=${passwordFile}`, '--auth=scram-sha-256']
      // It has no locales of its own.
      .concat(['--encoding=UTF8', '--locale=C']),
    { ...asAccount, env: { PATH: process.env.PATH ?? '', LC_ALL: 'C' }, extendEnv: false },
  );
  const port = await freePort();
  const args = ['-D', data, '-p', `${port}`, '-c', 'listen_addresses=127.0.0.1'];
  const server = await startProcess(
    scope,
    join(bin, 'postgres'),
    args.concat(['-c', 'unix_socket_directories=', '-c', 'fsync=off']),
    {
      log: join(folder, 'log'),
      cwd: folder,
      uid: account?.uid,
      // Its "fast" shutdown; SIGTERM would wait for its clients.
      endSignal: 'SIGINT',
    },
  );
  const at = (user: string, database: string) =>
    `postgresql://${user}:${password}@127.0.0.1:${port}/${database}`;
  await untilServing(server, () => run(at(SUPERUSER, 'postgres'), 'SELECT 1').then(() => true), {
    what: 'PostgreSQL 16 answers',
    timeoutMs: PATIENCE_MS,
  });
  await run(at(SUPERUSER, 'postgres'), `CREATE ROLE ${ROLE} LOGIN PASSWORD '${password}'`);
  await run(at(SUPERUSER, 'postgres'), `CREATE DATABASE ${ROLE} OWNER ${ROLE}`);
  await run(at(SUPERUSER, ROLE), 'CREATE EXTENSION vector');
  return at(ROLE, ROLE);
}

/** Copies the programs and the libraries beside them, which they find by their relative path. Returns their folder. */
async function copyPrograms(folder: string): Promise<string> {
  const packages = join(environments().postgres16.folder, 'lib');
  const [python = ''] = await readdir(packages);
  const from = join(packages, python, 'site-packages');
  await execa('cp', ['--archive', join(from, 'pgserver'), join(from, 'pgserver.libs'), folder]);
  return join(folder, 'pgserver', 'pginstall', 'bin');
}

async function run(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
