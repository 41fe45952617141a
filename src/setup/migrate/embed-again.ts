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

/**
 * Asks the new server to embed what was not carried, as an administrator, and memories as their users. Returns what it
 * refused, in words.
 */
export async function askToEmbedAgain(
  { plan, target, key }: Server,
  { requests, users }: EmbedAgain,
): Promise<string[]> {
  const admin = await anAdministrator(target);
  const failures: string[] = [];
  for (const { method, path, body } of requests) {
    // Of one's own memories alone.
    const askers = path.startsWith('/api/v1/memories/') ? users : [admin];
    for (const user of askers) {
      const failure = await fetch(`${addressOf(plan)}${path}`, {
        method,
        headers: { Authorization: `Bearer ${tokenFor(user, key)}`, 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      }).then(
        async (answer) => (answer.ok ? undefined : `${answer.status} ${(await answer.text()).slice(0, 200)}`),
        (error: Error) => error.message,
      );
      if (failure !== undefined) failures.push(`${method} ${path}: ${failure}`);
    }
  }
  return failures;
}

async function anAdministrator(target: Target): Promise<string> {
  const table = target.schema === null ? '"user"' : `"${target.schema.replaceAll('"', '""')}"."user"`;
  const { rows } = await withPostgres(parsedUrl(target), (client) =>
    client.query<{ id: string }>(`SELECT id FROM ${table} WHERE role = 'admin' ORDER BY created_at LIMIT 1`),
  );
  return rows[0]?.id ?? '';
}

/** As Open WebUI signs its own (open_webui/utils/auth.py, create_token): a JSON Web Token with HS256. */
function tokenFor(id: string, key: string): string {
  const now = Math.floor(Date.now() / 1000);
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const head = encode({ alg: 'HS256', typ: 'JWT' });
  const claims = encode({ id, jti: randomUUID(), iat: now, exp: now + TOKEN_SECONDS });
  const signature = createHmac('sha256', key).update(`${head}.${claims}`).digest('base64url');
  return `${head}.${claims}.${signature}`;
}
