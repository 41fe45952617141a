import type { DatabaseFacts } from '../../types.ts';

/** Where people reach it: WEBUI_URL. What the database says wins over the environment after the first start. */
export function publicUrl(effective: ReadonlyMap<string, string>, database: DatabaseFacts): URL | undefined {
  const stored = database.kind === 'postgresql' ? database.stored?.['webui.url'] : undefined;
  const url = stored || effective.get('WEBUI_URL') || '';
  return /^https?:/i.test(url) && URL.canParse(url) ? new URL(url) : undefined;
}
