/** What everybody else notices while documents are read, split and embedded. */
import { beside } from '../client/beside.ts';
import type { OpenWebui } from '../client/open-webui.ts';
import { documentsOf } from '../samples/index.ts';
import type { Figures } from './figures.ts';

/** One of each format for each of these numbers of pages. */
const PAGES = [3, 60];

const PROCESS_MS = 300_000;

/** As often as Open WebUI's page asks for the status of a file. */
const PAGE_MS = 1_000;

export interface DocumentsRun {
  figures: Figures;
  notes: string[];
}

/** Throws where a document comes to no end. */
export async function documents(ui: OpenWebui): Promise<DocumentsRun> {
  // Made before: it takes a core that the servers need.
  const samples = documentsOf(PAGES);
  const { value, seconds, p99Ms, standstillMs, failed } = await beside(ui, () =>
    Promise.all(
      samples.map(async ({ name, content, type }) => {
        const id = await ui.send(name, content, type);
        const { status, error } = await ui.processed(id, PROCESS_MS, PAGE_MS);
        return status === 'completed' ? [] : [`documents: ${name} ${status}: ${error}`];
      }),
    ),
  );
  const lost = failed > 0 ? [`documents: ${failed} API requests beside them failed`] : [];
  return {
    figures: { documentsSeconds: [seconds], besideP99Ms: [p99Ms], standstillMs: [standstillMs] },
    notes: [...value.flat(), ...lost],
  };
}
