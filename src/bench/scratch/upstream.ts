/** An OpenAI-compatible server: the only part that is not the real thing. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { LOOPBACK } from '../../base/io/address.ts';
import { freePort } from '../../base/io/port.ts';
import type { Scope } from '../../base/io/scope.ts';

export const CHAT_MODEL = 'test-model';
export const EMBEDDING_MODEL = 'test-embedding';
const DIMENSIONS = 256;

/** How chat answers are streamed. Another one is for the answers that begin afterwards; `tokens` of this one, for all. */
export interface Pace {
  tokens: number;
  /** Between two tokens. */
  pauseMs: number;
}

export interface Upstream {
  /** Ends in /v1. */
  url: string;
  pace: Pace;
  /** What is streamed in the place of words, at the same pace; `last` is the message that is answered. */
  deltas?: (last: Message) => object[];
  /** Requests by path, such as /v1/chat/completions. */
  requests: Map<string, number>;
  /** Tokens that were streamed, of all answers. */
  tokens: number;
  /** Told of each word before it is streamed: that one of the answer, counted from 0. The answer waits for a promise. */
  onWord?: ((prompt: string, index: number) => unknown) | undefined;
}

export interface Message {
  role: string;
  content: string;
}

interface ChatRequest {
  stream?: boolean;
  messages: Message[];
}

/** The i-th token of the answer to a prompt. No two answers share one, so that none can pass for another. */
function token(prompt: string, index: number): string {
  return `${index === 0 ? '' : ' '}${prompt}.${index}`;
}

/** What has to arrive at the page, all of it and in this order. */
export function wholeAnswer(prompt: string, { tokens }: Pace): string {
  return Array.from({ length: tokens }, (_, index) => token(prompt, index)).join('');
}

export async function startUpstream(scope: Scope): Promise<Upstream> {
  const upstream: Upstream = { url: '', pace: { tokens: 20, pauseMs: 5 }, requests: new Map(), tokens: 0 };
  const server = createServer((request, response) => {
    answer(upstream, request, response).catch((error: unknown) => {
      response.writeHead(500).end(String(error));
    });
  });
  const port = await freePort(LOOPBACK, 0);
  await new Promise<void>((resolve) => server.listen(port, LOOPBACK, resolve));
  scope.defer('upstream', () => {
    server.closeAllConnections();
    server.close();
  });
  upstream.url = `http://127.0.0.1:${port}/v1`;
  return upstream;
}

async function answer(upstream: Upstream, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = request.url ?? '';
  upstream.requests.set(path, (upstream.requests.get(path) ?? 0) + 1);
  const body = await readBody(request);
  if (path === '/v1/models') {
    const data = [CHAT_MODEL, EMBEDDING_MODEL].map((id) => ({ id, object: 'model', owned_by: 'test' }));
    sendJson(response, { object: 'list', data });
  } else if (path === '/v1/embeddings') {
    const { input } = JSON.parse(body) as { input: string | string[] };
    const data = [input]
      .flat()
      .map((text, index) => ({ object: 'embedding', index, embedding: embed(text) }));
    sendJson(response, { object: 'list', model: EMBEDDING_MODEL, data });
  } else if (path === '/v1/chat/completions') {
    await complete(upstream, JSON.parse(body) as ChatRequest, response);
  } else {
    response.writeHead(404).end();
  }
}

async function complete(upstream: Upstream, request: ChatRequest, response: ServerResponse): Promise<void> {
  const { pace } = upstream;
  const last = request.messages.at(-1) ?? { role: 'user', content: '' };
  const prompt = last.content;
  const common = { id: 'chatcmpl-test', created: 0, model: CHAT_MODEL };
  if (!request.stream) {
    const message = { role: 'assistant', content: token('title', 0) };
    const choices = [{ index: 0, message, finish_reason: 'stop' }];
    sendJson(response, { ...common, object: 'chat.completion', choices });
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  const send = (delta: object, finish: string | null) => {
    const choices = [{ index: 0, delta, finish_reason: finish }];
    response.write(`data: ${JSON.stringify({ ...common, object: 'chat.completion.chunk', choices })}\n\n`);
  };
  send({ role: 'assistant', content: '' }, null);
  async function* words() {
    for (let index = 0; index < pace.tokens; index++) {
      await upstream.onWord?.(prompt, index);
      yield { content: token(prompt, index) };
    }
  }
  for await (const delta of upstream.deltas?.(last) ?? words()) {
    send(delta, null);
    upstream.tokens++;
    await sleep(pace.pauseMs);
  }
  send({}, 'stop');
  response.end('data: [DONE]\n\n');
}

/** Counts words by their hash: texts that share words are near to each other. */
function embed(text: string): number[] {
  const vector = new Array<number>(DIMENSIONS).fill(0);
  for (const word of text.toLowerCase().match(/\p{L}+/gu) ?? ['']) {
    let hash = 7;
    for (const character of word) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) % 1_000_003;
    const index = hash % DIMENSIONS;
    vector[index] = (vector[index] ?? 0) + 1;
  }
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function sendJson(response: ServerResponse, value: object): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}
