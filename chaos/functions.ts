/** Functions of Open WebUI. When one is created, its code runs in the worker, on the event loop. */

import { randomUUID } from 'node:crypto';
import type { Agent } from 'node:http';
import type { OpenWebui } from '../src/bench/client/open-webui.ts';

export async function createFunction(ui: OpenWebui, code: string, agent?: Agent): Promise<void> {
  const id = `chaos${randomUUID().slice(0, 8)}`;
  const content = `${code}\nclass Pipe:\n    def pipe(self, body: dict) -> str:\n        return ""\n`;
  await ui.call(
    'POST',
    '/api/v1/functions/create',
    { id, name: id, meta: { description: id }, content },
    agent,
  );
}
