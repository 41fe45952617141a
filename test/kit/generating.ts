import type { Scope } from '../../src/base/io/scope.ts';
import { until } from '../../src/base/io/wait.ts';
import type { OpenWebui } from '../../src/bench/client/open-webui.ts';
import type { Upstream } from '../../src/bench/scratch/upstream.ts';
import { PATIENCE_MS } from './patience.ts';

export interface Asked {
  prompt: string;
  chatId: string;
  messageId: string;
}

/** Asks the questions, and returns once each answer is being generated, at the pace of `upstream`. */
export async function generateAnswers(
  scope: Scope,
  ui: OpenWebui,
  upstream: Upstream,
  prompts: readonly string[],
): Promise<Asked[]> {
  const begun = new Set<string>();
  upstream.onWord = (prompt) => begun.add(prompt);
  const page = await ui.connectSocket(scope);
  const asked = await Promise.all(
    prompts.map(async (prompt) => ({ prompt, ...(await ui.post(page, prompt)) })),
  );
  await until(() => prompts.every((prompt) => begun.has(prompt)), {
    what: 'all answers have begun',
    timeoutMs: PATIENCE_MS,
  });
  return asked;
}
