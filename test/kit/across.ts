/** Answers that one worker generates for pages that others hold. */
import { OneConnection } from '../../src/bench/client/http.ts';
import type { OpenWebui, PageSocket } from '../../src/bench/client/open-webui.ts';
import { type Upstream, wholeAnswer } from '../../src/bench/scratch/upstream.ts';

export interface Answers {
  shown: string[];
  /** What has to be shown. */
  whole: string[];
}

/** Asks a question for each page, all over one connection and so at one worker. Closes the pages. */
export async function chatAtOneWorker(
  ui: OpenWebui,
  pages: readonly PageSocket[],
  { pace }: Upstream,
): Promise<Answers> {
  const prompts = pages.map((_, index) => `cross${index}`);
  const agent = new OneConnection();
  const answers = await Promise.all(
    pages.map((page, index) => ui.chat(page, prompts[index] ?? '', { agent })),
  );
  agent.destroy();
  for (const page of pages) page.close();
  return {
    shown: answers.map(({ text }) => text),
    whole: prompts.map((prompt) => wholeAnswer(prompt, pace)),
  };
}
