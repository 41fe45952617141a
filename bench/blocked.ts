/**
 * `npm run bench:blocked [-- FLAG…]`: what makes a worker's event loop stand still. One worker of ours does one thing after
 * another; a thread in it notes each time that the loop does not turn for 50 ms, and where it is then
 * (blocked/sitecustomize.py). Everybody on that worker waits meanwhile.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Scope } from '../src/base/io/scope.ts';
import { temporaryFolder } from '../src/base/io/temp.ts';
import { request } from '../src/bench/client/http.ts';
import { OpenWebui } from '../src/bench/client/open-webui.ts';
import { startCluster } from '../test/kit/cluster.ts';
import { ROOT } from '../test/kit/environment.ts';

/** Milliseconds in which the last blockage of an activity is written down. */
const AFTER_MS = 300;

const BIG_CHAT_MESSAGES = 2_000;
const CHATS = 300;
const SOCKETS = 200;
const TOOL_FUNCTIONS = 100;
const MEGABYTE = 1024 * 1024;

interface Blockage {
  ms: number;
  where: string;
  share: number;
  /** Milliseconds of it in which the garbage collector ran. */
  collected: number;
}

interface Activity {
  what: string;
  run(): Promise<unknown>;
}

const scope = new Scope();

function message(id: string, parentId: string | null, role: string, content: string) {
  return { id, parentId, childrenIds: [], role, content, timestamp: 1_700_000_000, models: ['test-model'] };
}

/** A chat as the page saves it. */
function chat(title: string, messages: number, length: number) {
  const text = 'The keeper counts the ships that pass at night. '.repeat(Math.ceil(length / 48));
  const all = Array.from({ length: messages }, (_, index) =>
    message(`m${index}`, index ? `m${index - 1}` : null, index % 2 ? 'assistant' : 'user', text),
  );
  return {
    title,
    models: ['test-model'],
    history: { currentId: all.at(-1)?.id, messages: Object.fromEntries(all.map((one) => [one.id, one])) },
    messages: all,
    tags: [],
    timestamp: 1_700_000_000_000,
  };
}

try {
  const log = join(await temporaryFolder(scope, 'blocked'), 'log');
  const cluster = await startCluster(scope, {
    workers: 1,
    args: process.argv.slice(2),
    environment: { PYTHONPATH: join(ROOT, 'bench', 'blocked'), BLOCKED_LOG: log },
  });
  const { admin } = cluster.services;
  const ui = await OpenWebui.signIn(cluster.url, admin);
  const makeChat = (content: object) =>
    ui.call<{ id: string }>('POST', '/api/v1/chats/new', { chat: content });
  const download = (path: string) => request(`${cluster.url}${path}`, { headers: ui.headers });
  // The page makes a person’s picture small before it sends it.
  const picture = `data:image/png;base64,${Buffer.alloc(40_000, 7).toString('base64')}`;
  const image = `data:image/png;base64,${Buffer.alloc(4 * MEGABYTE, 7).toString('base64')}`;
  let big = { id: '' };
  let file = { id: '' };
  const many = (count: number, run: (index: number) => Promise<unknown>) =>
    Promise.all(Array.from({ length: count }, (_, index) => run(index)));

  const activities: Activity[] = [
    { what: 'a page is opened', run: () => ui.call('GET', '/api/config') },
    { what: 'eight people sign in', run: () => many(8, () => OpenWebui.signIn(cluster.url, admin)) },
    {
      what: `a chat of ${BIG_CHAT_MESSAGES} messages is made`,
      run: async () => {
        big = await makeChat(chat('big', BIG_CHAT_MESSAGES, 1_000));
      },
    },
    { what: 'it is opened', run: () => ui.call('GET', `/api/v1/chats/${big.id}`) },
    {
      what: 'it is saved',
      run: () => ui.call('POST', `/api/v1/chats/${big.id}`, { chat: chat('big', BIG_CHAT_MESSAGES, 1_000) }),
    },
    { what: 'it is cloned', run: () => ui.call('POST', `/api/v1/chats/${big.id}/clone`, {}) },
    { what: 'it is shared', run: () => ui.call('POST', `/api/v1/chats/${big.id}/share`) },
    {
      what: `${CHATS} chats are imported`,
      run: () =>
        ui.call('POST', '/api/v1/chats/import', {
          chats: Array.from({ length: CHATS }, (_, index) => ({
            chat: chat(`imported ${index}`, 20, 1_000),
          })),
        }),
    },
    { what: 'all chats are exported', run: () => download('/api/v1/chats/all') },
    { what: 'the chats of all people are exported', run: () => download('/api/v1/chats/all/db') },
    { what: 'statistics of the chats', run: () => ui.call('GET', '/api/v1/chats/stats/usage') },
    { what: 'statistics are exported', run: () => ui.call('GET', '/api/v1/chats/stats/export') },
    { what: 'the chats are searched', run: () => ui.call('GET', '/api/v1/chats/search?text=ships&page=1') },
    {
      what: 'a chat with an image of 4 MB is made',
      run: async () => {
        const content = chat('image', 2, 100);
        const [first] = Object.values(content.history.messages);
        Object.assign(first ?? {}, { files: [{ type: 'image', url: image }] });
        await makeChat(content);
      },
    },
    {
      what: 'a picture of 40 KB is set',
      run: () =>
        ui.call('POST', '/api/v1/auths/update/profile', {
          name: 'Administrator',
          profile_image_url: picture,
        }),
    },
    {
      what: 'a text of 4 MB is uploaded',
      run: async () => {
        const text = 'The keeper counts the ships that pass at night.\n'.repeat(87_000);
        file = { id: (await ui.upload('big.txt', text)).id };
      },
    },
    { what: 'its content is read', run: () => ui.call('GET', `/api/v1/files/${file.id}/data/content`) },
    { what: 'the files are listed', run: () => ui.call('GET', '/api/v1/files/') },
    { what: 'a list of 500 models', run: () => ui.call('GET', '/api/models?refresh=true') },
    { what: `${SOCKETS} pages connect`, run: () => many(SOCKETS, () => ui.connectSocket(scope)) },
    { what: 'twenty ask who is there', run: () => many(20, () => ui.call('GET', '/api/v1/users/all')) },
    {
      what: `a tool of ${TOOL_FUNCTIONS} functions is saved`,
      run: () =>
        ui.call('POST', '/api/v1/tools/create', {
          id: 'big_tool',
          name: 'big',
          content: `class Tools:\n${Array.from({ length: TOOL_FUNCTIONS }, (_, index) => `    def tool_${index}(self, text: str) -> str:\n        """Say it.\n        :param text: what\n        """\n        return text\n`).join('')}`,
          meta: { description: 'big' },
        }),
    },
  ];

  let read = 0;
  const blockages = (): Blockage[] => {
    let text = '';
    try {
      text = readFileSync(log, 'utf8');
    } catch {
      // nothing has blocked yet
    }
    const lines = text.slice(read).split('\n').filter(Boolean);
    read = text.length;
    return lines.map((line) => JSON.parse(line) as Blockage);
  };

  await sleep(2_000);
  blockages();
  console.log('| what | longest (ms) | in all (ms) | where |\n| --- | --- | --- | --- |');
  for (const { what, run } of activities) {
    const begun = performance.now();
    let failed = '';
    await run().catch((error: unknown) => {
      failed = ` (failed: ${String(error).slice(0, 80)})`;
    });
    await sleep(AFTER_MS);
    const found = blockages().sort((a, b) => b.ms - a.ms);
    const total = found.reduce((sum, { ms }) => sum + ms, 0);
    const seconds = Math.round(performance.now() - begun - AFTER_MS);
    const places = found
      .slice(0, 3)
      .map(
        ({ ms, where, share, collected }) =>
          `${ms} ms (${collected} of garbage collection) ${where} (${Math.round(share * 100)} %)`,
      );
    console.log(
      `| ${what}${failed} (${seconds} ms) | ${found[0]?.ms ?? 0} | ${total} | ${places.join('; ')} |`,
    );
  }
} finally {
  await scope.close();
}
