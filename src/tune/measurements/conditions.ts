import { shortHash } from '../../base/io/folders.ts';
import type { ServiceFacts, Settings } from '../../facts/types.ts';
import { withStored } from '../../plan/persisted.ts';
import { isReplaced } from './replaced.ts';

/**
 * Digest of what the user has set that may change what a worker loads: another one is a reason to measure again. Secrets
 * are no part of it, nor are addresses and the like, which a measurement replaces.
 */
export function settingsDigest(settings: Settings, { database, redis }: ServiceFacts): string {
  const counting = [...withStored(settings, database)]
    .filter(([name, { secret, source }]) => !secret && source !== 'preset' && !isReplaced(name))
    // The default, which the database holds in so many words after the first start.
    .filter(([name, { value }]) => name !== 'RAG_EMBEDDING_ENGINE' || value !== '')
    .map(([name, { value }]) => [name, value])
    .sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
  const hasChroma = Boolean(settings.get('CHROMA_HTTP_HOST')?.value);
  return shortHash(JSON.stringify([counting, database.kind, redis.kind, hasChroma]));
}
