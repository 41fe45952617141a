/** Streams, and who has a chat open, cost a worker less: nothing that a page sees or the database keeps is different for it. */
import { createClient } from 'redis';
import { beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../src/base/io/wait.ts';
import { connectTo, ownerOf } from '../../src/bench/client/connections.ts';
import { type ChatEvent, OpenWebui } from '../../src/bench/client/open-webui.ts';
import { type Message, wholeAnswer } from '../../src/bench/scratch/upstream.ts';
import { type Cluster, startCluster } from '../kit/cluster.ts';
import { PATIENCE_MS } from '../kit/patience.ts';
import { useScope } from '../kit/vitest.ts';

const CHATS = 30;

/** Fast and long enough that a worker handles tokens together, and is asked in the middle. */
const LONG = { tokens: 400, pauseMs: 15 };

const scope = useScope();
let cluster: Cluster;
let ui: OpenWebui;

beforeAll(async () => {
  cluster = await startCluster(scope, { workers: 2 });
  ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
});

/** A model that reasons, calls a tool that does not exist, and answers with code and tags in pieces. */
function deltasOf({ role, content }: Message): object[] {
  const words = (key: string, text: string) =>
    Array.from({ length: 20 }, (_, index) => ({ [key]: ` ${text}${index}` }));
  const pieces = (...texts: string[]) => texts.map((text) => ({ content: text }));
  if (role !== 'tool') {
    const call = { index: 0, id: 'call_1', type: 'function', function: { name: 'look', arguments: '' } };
    const rest = ['{"at": ', '"reeds"}'].map((part) => ({ index: 0, function: { arguments: part } }));
    return [
      ...words('reasoning_content', 'hm'),
      ...words('content', content),
      ...[call, ...rest].map((each) => ({ tool_calls: [each] })),
    ];
  }
  return [
    ...pieces('<', 'think', '>', ' in', ' pieces', '</thi', 'nk>', '\n\n'),
    ...words('content', 'Reiher 鷺'),
    ...pieces('```py', '\nif a', ' > 3:\n', '    print("<b>")\n', '```\n', '🐟', ' end'),
  ];
}

/** Without ids and times, which no two answers share. */
function comparable(value: unknown): unknown {
  const text = JSON.stringify(value, (key, each) =>
    ['started_at', 'ended_at', 'duration'].includes(key) ? 0 : each,
  );
  const seen = new Map<string, string>();
  const named = text.replace(/\b(?:msg|r|fc|fco)_[0-9a-f]{24}\b/g, (id) => {
    if (!seen.has(id)) seen.set(id, `id${seen.size}`);
    return seen.get(id) ?? id;
  });
  return JSON.parse(named);
}

/** The text of each item of the answer, as the page's events tell it piece after piece. */
function shownTexts(events: readonly ChatEvent[]): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const { data } of events) {
    const { type = '', delta, item_id } = (data.data ?? {}) as Record<string, string>;
    if (data.type === 'response:completion' && type.endsWith('.delta') && delta !== undefined) {
      texts[`${type} ${item_id}`] = (texts[`${type} ${item_id}`] ?? '') + delta;
    }
  }
  return texts;
}

async function answers(where: Cluster): Promise<{ stored: unknown[]; shown: unknown[]; events: number }> {
  const client = await OpenWebui.signIn(where.url, where.services.admin);
  const page = await client.connectSocket(scope);
  const heard = new Map<string, ChatEvent[]>();
  page.socket.on('events', (event: ChatEvent) => {
    heard.set(event.message_id, [...(heard.get(event.message_id) ?? []), event]);
  });
  where.services.upstream.deltas = deltasOf;
  where.services.upstream.pace = LONG;
  const prompts = Array.from({ length: CHATS }, (_, index) => `question${index} `);
  const chats = await Promise.all(prompts.map((prompt) => client.chat(page, prompt)));
  const stored = await Promise.all(
    chats.map(async ({ chatId, messageId }) => {
      const { chat } = await client.call<{
        chat: { history: { messages: Record<string, { output: unknown }> } };
      }>('GET', `/api/v1/chats/${chatId}`);
      return comparable(chat.history.messages[messageId]?.output);
    }),
  );
  const events = chats.map(({ messageId }) => heard.get(messageId) ?? []);
  page.close();
  delete where.services.upstream.deltas;
  return { stored, shown: events.map((each) => comparable(shownTexts(each))), events: events.flat().length };
}

it('answers are stored and shown as without shortcuts', async () => {
  const ours = await answers(cluster);
  expect(ours.stored).toHaveLength(CHATS);
  expect(JSON.stringify(ours.stored[0])).toContain('function_call_output');
  expect(JSON.stringify(ours.stored[0])).toContain('reasoning_content');
  const plain = await answers(await startCluster(scope, { workers: 2, args: ['--no-shortcuts'] }));
  expect(ours.stored).toEqual(plain.stored);
  expect(ours.shown).toEqual(plain.shown);
});

describe('an answer in the middle', () => {
  const workers = () => cluster.pythonWorkers();
  const connection = (pid: number) => connectTo((owner) => owner === pid, cluster, workers);

  /** As many as make a worker busy, so that tokens wait for each other. */
  const CROWD = 10;

  it('is found without a gap by a page that opens it at another worker', async () => {
    const [first, second] = workers();
    if (!first || !second) throw new Error('two workers are needed');
    cluster.services.upstream.pace = LONG;
    const here = await connection(first.pid);
    const there = await connection(second.pid);
    const page = await ui.connectSocket(scope);
    const prompts = Array.from({ length: CROWD }, (_, index) => `reload${index}`);
    const ended = new Set<string>();
    page.socket.on('events', ({ message_id, data }: ChatEvent) => {
      if (data.data?.done === true) ended.add(message_id);
    });
    let found: string | undefined;
    const isFound = () => until(() => found, { what: 'the answer is looked at', timeoutMs: PATIENCE_MS });
    // Otherwise the answer has ended before a slow machine has looked at it.
    cluster.services.upstream.onWord = (prompt, index) =>
      prompt === prompts[0] && index === LONG.tokens - 1 ? isFound() : undefined;
    const [chat] = await Promise.all(prompts.map((prompt) => ui.post(page, prompt, { agent: here })));
    if (!chat) throw new Error('no answer was asked for');

    const reloaded = await ui.connectSocket(scope);
    let heard = '';
    reloaded.socket.on('events', ({ message_id, data }: ChatEvent) => {
      if (message_id !== chat.messageId) return;
      if (data.data?.type === 'response.output_text.delta') heard += data.data.delta ?? '';
    });
    found = await until(() => ui.savedAnswer(chat, there), {
      what: 'the answer has begun',
      timeoutMs: PATIENCE_MS,
    });
    await until(() => ended.size === CROWD, { what: 'all answers have ended', timeoutMs: PATIENCE_MS });

    const whole = wholeAnswer(prompts[0] ?? '', LONG);
    expect(found).not.toBe(whole);
    expect(whole.startsWith(found)).toBe(true);
    // What the page hears first begins where what it has found ends, or before.
    await until(() => whole.endsWith(heard), { what: 'the page has heard the end', timeoutMs: PATIENCE_MS });
    expect(found.length + heard.length).toBeGreaterThanOrEqual(whole.length);
    cluster.services.upstream.onWord = undefined;
    reloaded.close();
    page.close();
    here.destroy();
    there.destroy();
  });

  it('is stopped by another worker, and stored as the page has seen it', async () => {
    const [first, second] = workers();
    if (!first || !second) throw new Error('two workers are needed');
    cluster.services.upstream.pace = { ...LONG, tokens: 4_000 };
    const here = await connection(first.pid);
    const there = await connection(second.pid);
    const page = await ui.connectSocket(scope);
    const heard = new Map<string, string>();
    const heardAt = new Map<string, number>();
    const ended = new Set<string>();
    page.socket.on('events', ({ message_id, data }: ChatEvent) => {
      if (data.type === 'chat:tasks:cancel') ended.add(message_id);
      if (data.data?.type !== 'response.output_text.delta') return;
      heard.set(message_id, (heard.get(message_id) ?? '') + (data.data.delta ?? ''));
      heardAt.set(message_id, performance.now());
    });
    const prompts = Array.from({ length: CROWD }, (_, index) => `stop${index}`);
    const chats = await Promise.all(prompts.map((prompt) => ui.post(page, prompt, { agent: here })));
    await until(() => chats.every(({ messageId }) => (heard.get(messageId)?.length ?? 0) > 200), {
      what: 'all answers are in the middle',
      timeoutMs: PATIENCE_MS,
    });
    for (const { chatId } of chats) await ui.call('POST', `/api/tasks/chat/${chatId}/stop`, {}, there);
    const stopped = performance.now();
    const haveEnded = async () => {
      const others = [...chats.entries()].filter(([, { messageId }]) => !ended.has(messageId));
      if (others.length === 0) return true;
      const states = others.map(async ([index, { chatId, messageId }]) => {
        const { task_ids } = await ui.call<{ task_ids: string[] }>('GET', `/api/tasks/chat/${chatId}`);
        const since = performance.now() - (heardAt.get(messageId) ?? 0);
        return `${prompts[index]}: ${task_ids.length} tasks, ${
          heard.get(messageId)?.length
        } characters, the last ${since.toFixed(0)} ms ago`;
      });
      throw new Error(
        `${(performance.now() - stopped).toFixed(0)} ms after it was stopped, not ${(await Promise.all(states)).join('; ')}; ` +
          `the page is ${page.socket.connected ? 'connected' : 'cut off'}`,
      );
    };
    await until(haveEnded, { what: 'all answers have ended', timeoutMs: PATIENCE_MS, intervalMs: 500 });
    for (const [index, chat] of chats.entries()) {
      const saved = await until(async () => (await ui.savedAnswer(chat, there)) || undefined, {
        what: 'the answer is stored',
        timeoutMs: PATIENCE_MS,
      });
      const whole = wholeAnswer(prompts[index] ?? '', { ...LONG, tokens: 4_000 });
      expect(whole.startsWith(saved)).toBe(true);
      expect(saved.length).toBeLessThan(whole.length);
      // Whatever the page has seen is stored.
      expect(saved.startsWith(heard.get(chat.messageId) ?? 'nothing')).toBe(true);
    }
    page.close();
    here.destroy();
    there.destroy();
  });
});

describe('who has a chat open', () => {
  const TIMES = 20;

  /** How often Redis was asked for a part of all sessions. */
  async function scans(): Promise<number> {
    const client = createClient({ url: cluster.services.redisUrl });
    await client.connect();
    const info = await client.info('commandstats');
    client.destroy();
    return Number(/^cmdstat_hscan:calls=(\d+)/m.exec(info)?.[1] ?? 0);
  }

  it('is told to pages of both workers, and costs no look at all sessions while one worker has it open', async () => {
    const form = { chat: { title: 'Heron', history: { messages: {} } } };
    const { id } = await ui.call<{ id: string }>('POST', '/api/v1/chats/new', form);
    const open = async (isWanted: (pid: number) => boolean) => {
      const page = await until(
        async () => {
          const some = await ui.connectSocket(scope);
          if (isWanted(await ownerOf(some.connection, cluster.port, () => cluster.pythonWorkers())))
            return some;
          some.close();
          return undefined;
        },
        { what: 'a page of that worker', timeoutMs: PATIENCE_MS },
      );
      const heard: string[][] = [];
      page.socket.on('events', ({ data }: ChatEvent) => {
        if (data.type !== 'chat:presence') return;
        const { users } = data.data as { users: { name: string }[] };
        heard.push(users.map(({ name }) => name));
      });
      const show = (type: 'join' | 'leave') =>
        page.socket.timeout(30_000).emitWithAck('events:chat', { chat_id: id, data: { type } });
      return { page, heard, show };
    };
    const [first] = cluster.pythonWorkers();
    const here = await open((pid) => pid === first?.pid);
    const there = await open((pid) => pid !== first?.pid);
    const before = await scans();
    for (let time = 0; time < TIMES; time++) {
      await here.show('join');
      await here.show('leave');
    }
    // One look may be that for sessions which were not closed, every two minutes.
    expect(await scans()).toBeLessThanOrEqual(before + 1);
    expect(here.heard).toHaveLength(TIMES);
    await here.show('join');
    const joined = await scans();
    await there.show('join');
    expect(await scans()).toBeGreaterThan(joined);
    await until(() => here.heard.length === TIMES + 2, { what: 'the other joined', timeoutMs: PATIENCE_MS });
    expect(new Set([...here.heard, ...there.heard].map(String))).toEqual(new Set([here.heard[0]?.[0]]));
    here.page.close();
    there.page.close();
  });
});
