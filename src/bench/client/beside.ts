/** What four people who ask for their chats notice of something that runs meanwhile. */
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { packageRoot } from '../../base/io/package.ts';
import type { OpenWebui } from './open-webui.ts';
import type { Noticed, OthersInput } from './others.ts';

export interface Beside<T> extends Noticed {
  value: T;
  /** For how long it ran. */
  seconds: number;
}

/** Watches an idle server too, if it is given one. Throws what `run` throws, and where the others come to no end. */
export async function beside<T>(ui: OpenWebui, run: () => Promise<T>, idleUrl?: string): Promise<Beside<T>> {
  const input: OthersInput = { url: ui.url, headers: ui.headers, idleUrl };
  const others = new Worker(join(packageRoot(), 'dist', 'others.js'), { workerData: input });
  const noticed = once(others, 'message') as Promise<[Noticed]>;
  // Told below, after `run`.
  noticed.catch(() => undefined);
  try {
    await once(others, 'online');
    const begun = performance.now();
    const value = await run();
    const seconds = (performance.now() - begun) / 1000;
    others.postMessage('stop');
    return { value, seconds, ...(await noticed)[0] };
  } finally {
    await others.terminate();
  }
}
