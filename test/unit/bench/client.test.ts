/** Following an answer, against a server that only says what was asked of it. */
import { EventEmitter } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Scope } from '../../../src/base/io/scope.ts';
import { OpenWebui, type PageSocket } from '../../../src/bench/client/open-webui.ts';

const ARRIVAL_MS = 60;

let scope = new Scope();
afterEach(async () => {
  await scope.close();
  scope = new Scope();
});

interface Asked {
  /** How often it was asked whether the answer is still being generated. */
  looks: number;
  /** Id of the answer, once the question has come. */
  messageId?: string;
}

/** `generating`: whether the answer still is, at the so manieth look. */
async function serve(generating: (look: number) => boolean) {
  const asked: Asked = { looks: 0 };
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const answer = () => {
      if (request.url === '/api/v1/auths/signin') return { token: 'a token' };
      if (request.url === '/api/chat/completions') {
        asked.messageId = (JSON.parse(body) as { id: string }).id;
        return { chat_id: 'a-chat' };
      }
      if (request.url === '/api/tasks/chat/a-chat') {
        return { task_ids: generating(asked.looks++) ? ['a task'] : [] };
      }
      throw new Error(`nobody asks for ${request.url}`);
    };
    response.writeHead(200).end(JSON.stringify(answer()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  scope.defer('server', () => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const ui = await OpenWebui.signIn(`http://127.0.0.1:${port}`, { email: 'a', password: 'b' });
  const socket = new EventEmitter();
  const page = { socket, close: () => {} } as unknown as PageSocket;
  const say = (data: object) =>
    socket.emit('events', { chat_id: 'a-chat', message_id: asked.messageId, data });
  return { asked, ui, page, say };
}

const END = { type: 'chat:completion', data: { done: true } };
const word = (delta: string) => ({
  type: 'chat:completion',
  data: { type: 'response.output_text.delta', delta },
});

describe('an answer that is followed', () => {
  it('is there once its end is heard, and nobody asks what became of it', async () => {
    const { asked, ui, page, say } = await serve(() => false);
    const answer = ui.chat(page, 'why?', { arrivalMs: 60_000 });
    await expect.poll(() => asked.messageId).toBeDefined();
    say(word('be'));
    say(word('cause'));
    say(END);
    expect(await answer).toMatchObject({ text: 'because', deltas: 2, chatId: 'a-chat' });
    expect(asked.looks).toBe(0);
  });

  it('is given up once it was generated and its page has heard nothing of it for so long', async () => {
    const { asked, ui, page } = await serve(() => false);
    const begun = performance.now();
    await expect(ui.chat(page, 'why?', { arrivalMs: ARRIVAL_MS })).rejects.toThrow(
      'the answer to why? was generated, and the page had not heard its end 0.06 s later',
    );
    expect(performance.now() - begun).toBeGreaterThanOrEqual(2 * ARRIVAL_MS);
    expect(asked.looks).toBe(1);
  });

  it('is waited for as long as it is being generated', async () => {
    const { asked, ui, page, say } = await serve(() => true);
    const answer = ui.chat(page, 'why?', { arrivalMs: ARRIVAL_MS });
    await expect.poll(() => asked.looks, { timeout: 10_000 }).toBeGreaterThan(1);
    say(END);
    expect(await answer).toMatchObject({ text: '' });
  });
});
