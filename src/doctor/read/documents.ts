import type { Client } from 'pg';
import { getText } from '../../facts/services/http.ts';
import { ANSWER_TIMEOUT, reasonOf } from '../../facts/services/timeout.ts';
import type { Reachability } from '../../facts/types.ts';

/** What the database says about documents: how they are read and embedded, and which of them are stuck. */
export interface DocumentFacts {
  /** When settings last changed that a worker reads only when it starts (preload/webui_preload/worker/embedding_settings.py), in milliseconds since 1970; undefined: the database is new. */
  changedAt?: number;
  /** Uploads that are stuck: "pending" for over an hour. */
  stuck: number;
  /** Other programs that read or embed documents. */
  engines: readonly { what: string; url: string }[];
}

/** Why nothing can be said of them. */
export const NO_DOCUMENTS = 'the database is new, or another version of Open WebUI has made it';

/** For each setting that names an engine, the setting that has its address (open_webui/config.py, 0.12.4). */
const ENGINES: readonly { key: string; what: string; urls: Readonly<Record<string, string>> }[] = [
  {
    key: 'rag.embedding_engine',
    what: 'embeds documents',
    urls: { openai: 'rag.openai.api_base_url', ollama: 'rag.ollama.base_url' },
  },
  {
    key: 'rag.content_extraction_engine',
    what: 'reads documents',
    urls: {
      tika: 'rag.tika_server_url',
      docling: 'rag.docling_server_url',
      external: 'rag.external_document_loader_url',
    },
  },
];

/** `config` and `file` are the names of Open WebUI's tables. */
export async function readDocuments(client: Client, config: string, file: string): Promise<DocumentFacts> {
  const { rows } = await client.query<{ key: string; value: string | null; updated_at: string | null }>(
    `SELECT key, value::jsonb #>> '{}' AS value, updated_at FROM ${config} WHERE key LIKE 'rag.%'`,
  );
  const stored = new Map(rows.map(({ key, value }) => [key, value ?? '']));
  const atStart = stored.get('rag.embedding_engine') ? /^rag\.reranking/ : /^rag\.(?:embedding|reranking)/;
  const changes = rows
    .filter(({ key }) => atStart.test(key))
    .map(({ updated_at }) => Number(updated_at ?? 0) * 1000);
  const { rows: counted } = await client.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM ${file}
     WHERE data::jsonb ->> 'status' = 'pending' AND updated_at < extract(epoch FROM now()) - 3600`,
  );
  return {
    ...(changes.length > 0 && { changedAt: Math.max(...changes) }),
    stuck: counted[0]?.count ?? 0,
    engines: ENGINES.flatMap(({ key, what, urls }) => {
      const url = stored.get(urls[stored.get(key) ?? ''] ?? '');
      return url ? [{ what, url }] : [];
    }),
  };
}

export type AskedEngine = DocumentFacts['engines'][number] & { answer: Reachability };

/** Any answer will do: the question is only whether somebody is there. */
export function askEngines(engines: DocumentFacts['engines']): Promise<AskedEngine[]> {
  return Promise.all(
    engines.map(async (engine) => {
      try {
        await getText(new URL(engine.url), ANSWER_TIMEOUT);
        return { ...engine, answer: { up: true, version: '' } };
      } catch (error) {
        return { ...engine, answer: { up: false, reason: reasonOf(error) } };
      }
    }),
  );
}
