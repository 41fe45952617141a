import { shortHash } from '../../base/io/folders.ts';
import type { ServiceFacts, Settings } from '../../facts/types.ts';
import { withStored } from '../../plan/persisted.ts';
import { isReplaced } from './replaced.ts';

/**
 * Digest of the user's settings that may change what a worker loads: a different digest is a reason to measure again. It
 * leaves out secrets, and the addresses and the like that a measurement replaces.
 */
export function settingsDigest(settings: Settings, { database, redis }: ServiceFacts): string {
  const counting = [...withStored(settings, database)]
    .filter(([name, { secret, source }]) => !secret && source !== 'preset' && !isReplaced(name))
    // The default, which the database holds explicitly after the first start.
    .filter(([name, { value }]) => name !== 'RAG_EMBEDDING_ENGINE' || value !== '')
    .map(([name, { value }]) => [name, value])
    .sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
  const hasChroma = Boolean(settings.get('CHROMA_HTTP_HOST')?.value);
  return shortHash(JSON.stringify([counting, database.kind, redis.kind, hasChroma]));
}
