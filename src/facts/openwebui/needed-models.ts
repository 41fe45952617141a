import { DEFAULT_MODEL, type LocalModel } from '../../runtime/contract.ts';
import { type Lookup, valueInForce } from './config-keys.ts';

const isTrue = (value: string | undefined) => value?.toLowerCase() === 'true';

/**
 * Models that a start of Open WebUI loads by itself (open_webui/main.py and routers/retrieval.py, 0.12.4). The preload
 * process decides the same (services/wait.py, ask_engines): test/kit/needed-models.json holds both to it.
 */
export function neededModels(
  lookup: Lookup,
  stored: Readonly<Record<string, string>>,
): Pick<LocalModel, 'kind' | 'name'>[] {
  const value = (name: string) => valueInForce(name, lookup, stored) ?? '';
  if (isTrue(lookup('USE_SLIM_DOCKER'))) return [];
  const embedding = valueInForce('RAG_EMBEDDING_MODEL', lookup, stored) ?? DEFAULT_MODEL;
  const isReranked =
    isTrue(value('ENABLE_RAG_HYBRID_SEARCH')) &&
    !isTrue(value('BYPASS_EMBEDDING_AND_RETRIEVAL')) &&
    value('RAG_RERANKING_ENGINE') !== 'external';
  const models = [
    { kind: 'embedding', name: value('RAG_EMBEDDING_ENGINE') === '' ? embedding : '' },
    { kind: 'reranker', name: isReranked ? value('RAG_RERANKING_MODEL') : '' },
  ] as const;
  return models.filter(({ name }) => name !== '');
}
