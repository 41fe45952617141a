import { createHmac, randomUUID } from 'node:crypto';
import { addressOf } from '../../base/io/address.ts';
import { withPostgres } from '../../facts/services/postgres.ts';
import type { Plan } from '../../plan/types.ts';
import type { EmbedAgain } from './job.ts';
import { parsedUrl, type Target } from './target.ts';

/** Seconds that a token holds: a large knowledge base takes its time. */
const TOKEN_SECONDS = 6 * 3600;

interface Server {
  plan: Pick<Plan, 'host' | 'port'>;
  target: Target;
  /** WEBUI_SECRET_KEY. */
  key: string;
}

/** Asks the new server to embed what was not carried, as an administrator. Returns what it refused, in words. */
export async function askToEmbedAgain(
  { plan, target, key }: Server,
  { requests }: Pick<EmbedAgain, 'requests'>,
): Promise<string[]> {
  const headers = {
    Authorization: `Bearer ${tokenFor(await anAdministrator(target), key)}`,
    'Content-Type': 'application/json',
  };
  const failures: string[] = [];
  for (const { method, path, body } of requests) {
    const request = { method, headers, body: JSON.stringify(body) };
    const failure = await fetch(`${addressOf(plan)}${path}`, request).then(
      async (answer) => (answer.ok ? undefined : `${answer.status} ${(await answer.text()).slice(0, 200)}`),
      (error: Error) => error.message,
    );
    if (failure !== undefined) failures.push(`${method} ${path}: ${failure}`);
  }
  return failures;
}

interface User {
  id: string;
  /** It changes as soon as all sessions of the user end; null where none has. */
  stamp: string | null;
}

async function anAdministrator(target: Target): Promise<User> {
  const schema = target.schema === null ? '' : `"${target.schema.replaceAll('"', '""')}".`;
  // Not every version has the column.
  const { rows } = await withPostgres(parsedUrl(target), (client) =>
    client.query<User>(
      `SELECT u.id, to_jsonb(a) ->> 'session_stamp' AS stamp
       FROM ${schema}"user" u LEFT JOIN ${schema}auth a ON a.id = u.id
       WHERE u.role = 'admin' ORDER BY u.created_at LIMIT 1`,
    ),
  );
  return rows[0] ?? { id: '', stamp: null };
}

/**
 * As Open WebUI signs its own (open_webui/utils/auth.py, create_token): a JSON Web Token with HS256. Of the kind of its own
 * automations: a session would need the second factor of whoever has one.
 */
function tokenFor({ id, stamp }: User, key: string): string {
  const now = Math.floor(Date.now() / 1000);
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const head = encode({ alg: 'HS256', typ: 'JWT' });
  const claims = encode({
    id,
    typ: 'automation',
    session_stamp: stamp,
    jti: randomUUID(),
    iat: now,
    exp: now + TOKEN_SECONDS,
  });
  const signature = createHmac('sha256', key).update(`${head}.${claims}`).digest('base64url');
  return `${head}.${claims}.${signature}`;
}
