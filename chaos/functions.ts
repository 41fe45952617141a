/** Functions of Open WebUI: their code runs in the worker, on its event loop, when they are created. */

import { randomUUID } from 'node:crypto';
import type { Agent } from 'node:http';
import type { OpenWebui } from '../test/kit/openwebui.ts';

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
