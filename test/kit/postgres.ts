import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import type { Scope } from './scope.ts';

const SERVER = process.env.WEBUI_TUNE_TEST_POSTGRES ?? 'postgresql://root@127.0.0.1:5432/postgres';

async function onServer<T>(run: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: SERVER });
  await client.connect();
  try {
    return await run(client);
  } finally {
    await client.end();
  }
}

/**
 * A database of its own on the running server. The URL has a password also where the server trusts local users:
 * it is one of the secrets that must not turn up anywhere.
 */
export async function createDatabase(scope: Scope): Promise<{ url: string; password: string }> {
  const name = `webui_tune_test_${randomBytes(6).toString('hex')}`;
  await onServer((client) => client.query(`CREATE DATABASE ${name}`));
  scope.defer(`database ${name}`, async () => {
    await onServer((client) => client.query(`DROP DATABASE ${name} WITH (FORCE)`));
  });
  const url = new URL(SERVER);
  url.pathname = name;
  if (!url.password) url.password = `database-password-${randomBytes(6).toString('hex')}`;
  return { url: url.href, password: url.password };
}
