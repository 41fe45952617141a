import { CONNECTIONS } from '../src/bench/contest/load.ts';
import type { OpenWebui } from '../test/kit/openwebui.ts';

const CHATS = 30;

/** Requests before a measurement, for what a worker does once: each call of a page some five times a connection. */
export const WARM_UP_REQUESTS = 50 * CONNECTIONS;

/** Gives whoever is signed in a list of chats; their id. */
export async function fillAccount(ui: OpenWebui): Promise<string> {
  const { id } = await ui.call<{ id: string }>('GET', '/api/v1/auths/');
  for (let index = 0; index < CHATS; index++) {
    await ui.call('POST', '/api/v1/chats/new', {
      chat: { title: `Heron ${index}`, history: { messages: {} } },
    });
  }
  return id;
}
