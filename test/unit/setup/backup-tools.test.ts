/** How PostgreSQL's tools find the database: with all that its URL says, and not where they cannot get in. */
import { expect, it } from 'vitest';
import { databaseAt, sourceOf } from '../../kit/open-webui-tables.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

const URL = 'postgresql://someone:word@127.0.0.1:5432/chats';

it('hands what a URL asks for to libpq', async () => {
  const query =
    'sslmode=disable&require_auth=scram-sha-256&channel_binding=disable&target_session_attrs=read-write';
  const { env } = await databaseAt(sourceOf(`${URL}?${query}`, temporaryFolder()));
  expect(env).toMatchObject({
    PGHOST: '127.0.0.1',
    PGDATABASE: 'chats',
    PGSSLMODE: 'disable',
    PGREQUIREAUTH: 'scram-sha-256',
    PGCHANNELBINDING: 'disable',
    PGTARGETSESSIONATTRS: 'read-write',
  });
});

it('refuses a password that is a token of AWS, before anything is done', async () => {
  const source = sourceOf(URL, temporaryFolder(), { DATABASE_ENABLE_IAM_TOKEN_AUTH: 'True' });
  await expect(databaseAt(source)).rejects.toThrow('DATABASE_ENABLE_IAM_TOKEN_AUTH');
});
