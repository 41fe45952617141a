import type { DatabaseFacts } from '../../facts/types.ts';
import { inForce } from './stored.ts';

/** Where people reach it: WEBUI_URL. What the database says wins over the environment after the first start. */
export function publicUrl(effective: ReadonlyMap<string, string>, database: DatabaseFacts): URL | undefined {
  const url = inForce('WEBUI_URL', effective, database) || effective.get('WEBUI_URL') || '';
  return /^https?:/i.test(url) && URL.canParse(url) ? new URL(url) : undefined;
}
