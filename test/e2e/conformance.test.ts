/** Every GET of the API, as an administrator, a user and nobody: with and without shortcuts the same answer. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type Answer, request } from '../../src/bench/client/http.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { type Cluster, startCluster } from '../kit/cluster.ts';
import { PATIENCE_MS } from '../kit/patience.ts';
import { createMigratedDatabase } from '../kit/postgres.ts';
import { startServices } from '../kit/services.ts';
import { useScope } from '../kit/vitest.ts';

const TIMEOUT_MS = 900_000;
/** Requests at one time. */
const AT_ONCE = 4;
/** Ends the session that asks. */
const LEFT_OUT = ['/api/v1/auths/signout'];

const scope = useScope();

interface Description {
  paths: Record<string, { get?: { parameters?: { in: string; name: string; required?: boolean }[] } }>;
}

it(
  'is answered the same',
  async () => {
    const services = await startServices(scope, createMigratedDatabase);
    const settings = { WEBUI_SECRET_KEY: randomBytes(16).toString('hex'), ENV: 'dev' };
    const ours = await startCluster(scope, { workers: 1, services, settings });
    const plain = await startCluster(scope, {
      workers: 1,
      services,
      settings: { ...settings, DATA_DIR: join(ours.folder, 'data') },
      args: ['--no-shortcuts'],
    });
    const admin = await OpenWebui.signIn(ours.url, services.admin);
    const user = await admin.addUser('somebody');
    const things = await makeThings(admin);
    const { body } = await request(`${plain.url}/openapi.json`);
    const [known, described] = [linesOf(body), linesOf((await request(`${ours.url}/openapi.json`)).body)];
    expect([...known].filter((line) => !described.has(line))).toEqual([]);
    expect([...described].filter((line) => !known.has(line))).toEqual([]);
    const failed = await admin.send('broken.pdf', 'no PDF at all', 'application/pdf');
    expect(await admin.processed(failed)).toMatchObject({ status: 'failed' });
    const statuses = [things.files, failed].flatMap((id) =>
      ['', '?stream=true'].map((query) => `/api/v1/files/${id}/process/status${query}`),
    );
    const paths = [...pathsOf(JSON.parse(body) as Description, things), ...statuses];
    const people = { admin: admin.headers, user: user.headers, nobody: {} };
    const questions = Object.entries(people).flatMap(([who, headers]) =>
      paths.map((path) => ({ who, headers, path })),
    );
    const differences: string[] = [];
    const answered = new Map<number, number>();
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let next = questions.pop(); next; next = questions.pop()) {
          const { who, headers, path } = next;
          const ask = ({ url }: Cluster) => request(`${url}${path}`, { headers, timeoutMs: PATIENCE_MS });
          const [first, there, again] = [await ask(ours), await ask(plain), await ask(ours)];
          answered.set(first.status, (answered.get(first.status) ?? 0) + 1);
          // What no two answers of one server share, such as a time, is compared by its form. Some questions make what
          // they ask for: then what was answered before or after counts.
          const compared = contentOf(first) === contentOf(again) ? contentOf : formOf;
          const known = [first, again].map(compared);
          if (!known.includes(compared(there))) {
            differences.push(
              `${path} as ${who}: ${known[0]?.slice(0, 300)} | ${compared(there).slice(0, 300)}`,
            );
          }
        }
      }),
    );
    const told = [...answered].sort(([a], [b]) => a - b).map(([status, count]) => `${count} × ${status}`);
    process.stderr.write(`${paths.length} paths, three people: ${told.join(', ')}\n`);
    expect(differences).toEqual([]);
    expect(paths.length).toBeGreaterThan(200);
    expect(answered.get(200)).toBeGreaterThan(200);
  },
  TIMEOUT_MS,
);

/** One of each that a path may name, by what comes ahead of it. */
async function makeThings(admin: OpenWebui): Promise<Record<string, string>> {
  const page = await admin.connectSocket(scope);
  const { chatId } = await admin.chat(page, 'good morning');
  page.close();
  const file = await admin.upload('facts.txt', 'The heron waits for a fish.');
  const make = async (path: string, form: object) =>
    (await admin.call<{ id: string }>('POST', `/api/v1/${path}/create`, form)).id;
  const me = await admin.call<{ id: string }>('GET', '/api/v1/auths/');
  return {
    chats: chatId,
    files: file.id,
    users: me.id,
    notes: await make('notes', { title: 'A note', data: { content: { md: 'words' } } }),
    knowledge: await make('knowledge', { name: 'Birds', description: 'of the harbour' }),
  };
}

/** All that can be asked with GET, with what is there in the place of their parameters. */
function pathsOf({ paths }: Description, things: Record<string, string>): string[] {
  return Object.entries(paths)
    .filter(([path, { get }]) => get !== undefined && !LEFT_OUT.includes(path))
    .map(([path, { get }]) => {
      const thing = Object.keys(things).find((name) => path.includes(`/${name}/`)) ?? '';
      const filled = path.replaceAll(/\{[^}]+\}/g, things[thing] ?? 'none');
      const query = (get?.parameters ?? [])
        .filter((parameter) => parameter.in === 'query' && parameter.required)
        .map(({ name }) => `${name}=1`);
      return query.length > 0 ? `${filled}?${query.join('&')}` : filled;
    });
}

/** FastAPI names an operation of several methods after any of them: another one after each start. */
const METHOD = /(operationId = ".*)_(?:get|put|post|patch|delete|head|options)"$/;

/** Each value in a JSON text, with the way to it. */
function linesOf(text: string): Set<string> {
  const lines = new Set<string>();
  const walk = (value: unknown, way: string) => {
    if (typeof value !== 'object' || value === null) {
      lines.add(`${way} = ${JSON.stringify(value)}`.replace(METHOD, '$1'));
    } else for (const [name, inner] of Object.entries(value)) walk(inner, `${way}/${name}`);
  };
  walk(JSON.parse(text), '');
  return lines;
}

function contentOf({ status, headers, body }: Answer): string {
  return `${status} ${headers['content-type']} ${body}`;
}

/** The same with the kind of each value in its place. */
function formOf({ status, headers, body }: Answer): string {
  let form = '';
  try {
    form = JSON.stringify(JSON.parse(body), (_, value: unknown) =>
      typeof value === 'object' ? value : typeof value,
    );
  } catch {
    // No JSON: its type has to do.
  }
  return `${status} ${headers['content-type']} ${form}`;
}
