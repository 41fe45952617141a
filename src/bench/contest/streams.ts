/** How many people can read an answer at the same time, and what a token of it costs. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Scope } from '../../base/io/scope.ts';
import { until } from '../../base/io/wait.ts';
import { cpuMs } from '../../base/machine/process-cpu.ts';
import { OneConnection } from '../client/http.ts';
import { type ChatEvent, deltaOf, isLast, OpenWebui } from '../client/open-webui.ts';
import type { Upstream } from '../scratch/upstream.ts';
import type { Figures } from './figures.ts';
import type { Server } from './server.ts';
import { percentile } from './statistics.ts';

/** Between two tokens of an answer: 50 a second. */
const PAUSE_MS = 20;

/** Chats that are added at a time. The cost of a token is that of the first step. */
const STEP = 20;

/** The most chats, and the users that have one each: what is told to a user goes to all pages of that user. */
export const READERS = 160;

/** A token that is later than this is noticed. */
export const LATE_MS = 200;

/** For answers that have just begun. */
const SETTLE_MS = 1_500;

/** Until all answers have ended that were told to end. */
const END_MS = 30_000;

/** A word of the upstream's: the prompt and its number in the answer. */
const LAST_WORD = /(\S+)\.(\d+)$/;

/** An answer on its way to its page: when each of its words was sent, and how many have arrived. */
interface Answer {
  sentAt: number[];
  arrived: number;
  hasEnded: boolean;
}

/** Adds chats until the p99 of a token's delay, from the model to the page, exceeds LATE_MS. */
export async function streams(
  server: Pick<Server, 'url' | 'workers'>,
  upstream: Upstream,
  tokens: readonly string[],
  seconds: number,
): Promise<Figures> {
  const scope = new Scope();
  const usual = upstream.pace;
  const pace = { tokens: Number.POSITIVE_INFINITY, pauseMs: PAUSE_MS };
  const answers = new Map<string, Answer>();
  let delays: number[] = [];
  upstream.pace = pace;
  upstream.onWord = (prompt, index) => {
    const answer = answers.get(prompt);
    if (answer) answer.sentAt[index] = performance.now();
  };
  try {
    const begin = async (token: string, index: number) => {
      const ui = OpenWebui.withToken(server.url, token);
      const page = await ui.connectSocket(scope);
      const answer: Answer = { sentAt: [], arrived: 0, hasEnded: false };
      const prompt = `reader${index}`;
      answers.set(prompt, answer);
      page.socket.on('events', (event: ChatEvent) => {
        answer.hasEnded ||= isLast(event);
        const number = Number(LAST_WORD.exec(deltaOf(event) ?? '')?.[2] ?? -1);
        const now = performance.now();
        for (; answer.arrived <= number; answer.arrived++) {
          delays.push(now - (answer.sentAt[answer.arrived] ?? now));
        }
      });
      const agent = new OneConnection();
      scope.defer('connection', () => agent.destroy());
      await ui.post(page, prompt, { agent });
    };
    let most = 0;
    let cost: number | undefined;
    for (let count = STEP; count <= tokens.length; count += STEP) {
      await Promise.all(tokens.slice(count - STEP, count).map((token, index) => begin(token, count + index)));
      await sleep(SETTLE_MS);
      const workers = server.workers();
      const before = { cpu: cpuMs(workers), tokens: upstream.tokens };
      delays = [];
      await sleep(seconds * 1000);
      const spent = cpuMs(workers) - before.cpu;
      // What has not arrived by now is late too.
      const now = performance.now();
      const missing = [...answers.values()].flatMap(({ sentAt, arrived }) => sentAt.slice(arrived));
      const late = percentile([...delays, ...missing.map((at) => now - at)], 0.99);
      cost ??= spent / (upstream.tokens - before.tokens);
      if (late > LATE_MS) break;
      most = count;
    }
    pace.tokens = 0;
    await until(() => [...answers.values()].every(({ hasEnded }) => hasEnded), {
      what: 'all answers end',
      timeoutMs: END_MS,
    });
    return { ...(cost !== undefined && { tokenCpuMs: [cost] }), readers: [most] };
  } finally {
    pace.tokens = 0;
    upstream.pace = usual;
    upstream.onWord = undefined;
    await scope.close();
  }
}
