/** What the API answers to each person: every GET that takes no parameter, and the details of each object. */
import { createHash } from 'node:crypto';
import { type OneConnection, request } from '../../../src/bench/client/http.ts';
import { OpenWebui } from '../../../src/bench/client/open-webui.ts';
import { PATIENCE_MS } from '../patience.ts';
import { DOCUMENT, type Person } from './people.ts';

/** By person, then by path: the status and the JSON, or a digest of what is no JSON. */
export type Answers = Record<string, Record<string, { status: number; body: unknown }>>;

/** Paths that say nothing about the data. */
const LEFT_OUT: [RegExp, string][] = [
  [/^\/(oauth|openapi|docs|manifest|opensearch)/, 'of the server, or of another one'],
  [/^\/api\/(version|changelog|usage|tasks|health)/, 'of the server'],
  [/^\/(health|ready)/, 'of the server'],
  [/^\/(ollama|openai)\//, 'asks the upstream'],
  [/^\/api\/v1\/(audio|images|pipelines|terminals)\//, 'asks other servers'],
  [
    /^\/api\/v1\/utils\/(db|gravatar)/,
    'the SQLite file itself, which is refused with PostgreSQL; a picture from the net',
  ],
  [/^\/api\/v1\/auths\/(signout|admin\/details)/, 'ends the session'],
  [/^\/api\/v1\/users\/active/, 'who looks at the page now'],
  [/^\/api\/v1\/(analytics|users\/usage)/, 'sums up to this moment'],
  [/^\/api\/v1\/channels\/users\//, 'makes a channel of two where there is none'],
  [/^\/api\/v1\/knowledge\/[^/]+\/export/, 'a ZIP file, which has the time in it'],
  [/^\/api\/v1\/functions\/export|^\/api\/v1\/chats\/all\/db/, 'repeats what other paths answer'],
];

/** Asked for the ids alone: the second calendar is made up for each answer, with the time of it. */
const FOR_IDS = '/api/v1/calendars/';

/** Fields that a request changes, or time: that of the session, and the looks at a user and at a channel. */
const CHANGING = new Set([
  ...['token', 'expires_at', 'last_active_at', 'is_active', 'last_read_at', 'unread_count'],
]);

/** Lists without an order, or by the second in which all of them were made: each database has its own. */
const UNORDERED = /\/(?:tags|members)$|^\/api\/v1\/(?:evaluations|groups|users)\//;

/** A parameter that an object's id takes the place of. */
const PARAMETER = /\{[^}]+\}/;

interface OpenApi {
  paths: Record<string, { get?: { parameters?: { in: string; required?: boolean }[] } }>;
}

/** Paths of an Open WebUI that was started with ENV=dev; only then does it say them. */
export async function readPaths(url: string): Promise<string[]> {
  const answer = await request(`${url}/openapi.json`);
  const { paths } = JSON.parse(answer.body) as OpenApi;
  return Object.entries(paths)
    .filter(
      ([path, { get }]) => get && !LEFT_OUT.some(([pattern]) => pattern.test(path)) && needsNoMore(path, get),
    )
    .map(([path]) => path)
    .sort();
}

/** At most one parameter, and that in the path. */
function needsNoMore(
  path: string,
  { parameters = [] }: { parameters?: { in: string; required?: boolean }[] },
) {
  return (
    path.split(PARAMETER).length <= 2 &&
    !parameters.some(({ in: where, required }) => where === 'query' && required)
  );
}

export async function answersOf(
  url: string,
  people: readonly Person[],
  paths: readonly string[],
): Promise<Answers> {
  const answers: Answers = {};
  for (const person of people) {
    const ui = await OpenWebui.signIn(url, person);
    const of: Answers[string] = {};
    const ids = new Map<string, Set<string>>();
    for (const path of paths.filter((path) => !PARAMETER.test(path))) {
      const found = await answer(ui, path);
      collectIds(found.body, idsOf(ids, path));
      if (path !== FOR_IDS) of[path] = found;
    }
    for (const path of paths.filter((path) => PARAMETER.test(path))) {
      for (const id of idsOf(ids, path)) {
        const filled = path.replace(PARAMETER, encodeURIComponent(id));
        of[filled] = await answer(ui, filled);
      }
    }
    answers[person.name] = of;
  }
  return answers;
}

/** The same wherever the uploads are: rows of files name the folder. */
export function anywhere(answers: Answers): Answers {
  return JSON.parse(JSON.stringify(answers).replaceAll(/"[^"]*\/uploads\//g, '"uploads/')) as Answers;
}

/** What is found in the knowledge of a person who has some, as JSON. `agent`: the connection that asks. */
export async function askAboutDocument(ui: OpenWebui, agent?: OneConnection): Promise<string> {
  const { items } = await ui.call<{ items: { id: string }[] }>('GET', '/api/v1/knowledge/');
  const question = { collection_names: items.map(({ id }) => id), query: DOCUMENT.question, k: 2 };
  return JSON.stringify(await ui.call('POST', '/api/v1/retrieval/query/collection', question, agent));
}

/** Ids that answers of the same router gave: those below /api/v1/chats/ are chats, for example. */
function idsOf(ids: Map<string, Set<string>>, path: string): Set<string> {
  const router = path.split('/').slice(0, 4).join('/');
  const found = ids.get(router) ?? new Set();
  ids.set(router, found);
  return found;
}

function collectIds(value: unknown, into: Set<string>): void {
  if (Array.isArray(value)) for (const item of value) collectIds(item, into);
  else if (value !== null && typeof value === 'object') {
    const { id, items } = value as { id?: unknown; items?: unknown };
    if (typeof id === 'string') into.add(id);
    if (items !== undefined) collectIds(items, into);
  }
}

async function answer(ui: OpenWebui, path: string): Promise<{ status: number; body: unknown }> {
  const { status, bytes, body, headers } = await request(`${ui.url}${path}`, {
    headers: ui.headers,
    timeoutMs: PATIENCE_MS,
  });
  if (!/^application\/json/.test(headers['content-type'] ?? '')) {
    return { status, body: createHash('sha256').update(bytes).digest('hex') };
  }
  const same = withoutChanging(parse(body));
  return { status, body: UNORDERED.test(path) ? sorted(same) : same };
}

/** Some answers are a line for each object, and say that they are JSON. */
function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return body
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as unknown);
  }
}

function withoutChanging(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutChanging);
  if (value === null || typeof value !== 'object') return value;
  // Whether a user was seen in the last three minutes; with models it is a setting.
  const isUser = 'last_active_at' in value;
  const kept = Object.entries(value).filter(
    ([key]) => !CHANGING.has(key) && !(isUser && key === 'is_active'),
  );
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutChanging(inner)]));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(sorted).toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  }
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, sorted(inner)]));
}
