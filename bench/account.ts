import type { OpenWebui } from '../src/bench/client/open-webui.ts';
import { CONNECTIONS } from '../src/bench/contest/load.ts';

const CHATS = 30;

/** Requests before a measurement, because workers do some work only once: about five of each call per connection. */
export const WARM_UP_REQUESTS = 50 * CONNECTIONS;

/** Gives the signed-in user a list of chats. Returns the user's id. */
export async function fillAccount(ui: OpenWebui): Promise<string> {
  const { id } = await ui.call<{ id: string }>('GET', '/api/v1/auths/');
  for (let index = 0; index < CHATS; index++) {
    await ui.call('POST', '/api/v1/chats/new', {
      chat: { title: `Heron ${index}`, history: { messages: {} } },
    });
  }
  return id;
}
