/** What everybody else notices while documents are read, split and embedded. */
import { startLoad } from '../client/load.ts';
import type { OpenWebui } from '../client/open-webui.ts';
import { watchLoop } from '../client/watch-loop.ts';
import { documentsOf } from '../samples/index.ts';
import type { Figures } from './figures.ts';

/** One of each format for each of these numbers of pages. */
const PAGES = [3, 60];

/** People who ask for their chats, and how long each of them thinks at most. */
const OTHERS = 4;
const THINK_MS = 100;

/** Connections that watch event loops: with so many, hardly any worker has none of them. */
const WATCHED = 8;

const PROCESS_MS = 300_000;

/** As often as Open WebUI's page asks for the status of a file. */
const PAGE_MS = 1_000;

/** Longer than the longest standstill that was seen, 13 s. */
const TIMEOUT_MS = 60_000;

export interface DocumentsRun {
  figures: Figures;
  notes: string[];
}

/** Throws where a document comes to no end. */
export async function documents(ui: OpenWebui): Promise<DocumentsRun> {
  const all = documentsOf(PAGES);
  const watch = watchLoop(ui.url, WATCHED);
  const load = startLoad({
    url: `${ui.url}/api/v1/chats/?page=1`,
    headers: ui.headers,
    connections: OTHERS,
    pauseMs: THINK_MS,
    timeoutMs: TIMEOUT_MS,
  });
  const begun = performance.now();
  try {
    const ends = await Promise.all(
      all.map(async ({ name, content, type }) => {
        const id = await ui.send(name, content, type);
        const { status, error } = await ui.processed(id, PROCESS_MS, PAGE_MS);
        return status === 'completed' ? [] : [`documents: ${name} ${status}: ${error}`];
      }),
    );
    const seconds = (performance.now() - begun) / 1000;
    const { p99Ms, failed } = await load.stop();
    const longest = await watch.stop();
    const lost = failed > 0 ? [`documents: ${failed} API requests beside them failed`] : [];
    return {
      figures: { documentsSeconds: [seconds], besideP99Ms: [p99Ms], standstillMs: [longest] },
      notes: [...ends.flat(), ...lost],
    };
  } finally {
    await Promise.allSettled([load.stop(), watch.stop()]);
  }
}
