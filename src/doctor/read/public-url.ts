import type { DatabaseFacts } from '../../facts/types.ts';
import { inForce } from './stored.ts';

/** The address that people use, WEBUI_URL. After the first start the database wins over the environment. */
export function publicUrl(effective: ReadonlyMap<string, string>, database: DatabaseFacts): URL | undefined {
  const url = inForce('WEBUI_URL', effective, database) || effective.get('WEBUI_URL') || '';
  return /^https?:/i.test(url) && URL.canParse(url) ? new URL(url) : undefined;
}
