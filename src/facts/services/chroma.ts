import type { ServiceFacts, Settings } from '../types.ts';
import { getText } from './http.ts';
import { ANSWER_TIMEOUT, reasonOf } from './timeout.ts';

/** Asks the configured Chroma server; undefined where none is configured. */
export async function askChroma(settings: Settings): Promise<ServiceFacts['chroma']> {
  const host = settings.get('CHROMA_HTTP_HOST')?.value;
  if (!host || (settings.get('VECTOR_DB')?.value || 'chroma') !== 'chroma') return undefined;
  const port = settings.get('CHROMA_HTTP_PORT')?.value || '8000';
  const where = `${host}:${port}`;
  const scheme = settings.get('CHROMA_HTTP_SSL')?.value.toLowerCase() === 'true' ? 'https' : 'http';
  try {
    // Any answer will do: what it is asked for moved from /api/v1 to /api/v2.
    await getText(new URL(`${scheme}://${where}/api/v2/heartbeat`), ANSWER_TIMEOUT);
    return { where, answer: { up: true, version: '' } };
  } catch (error) {
    return { where, answer: { up: false, reason: reasonOf(error) } };
  }
}
