import { join, resolve } from 'node:path';
import type { Environment } from '../../base/io/environment.ts';

/**
 * Folder of the cache that Open WebUI looks into: get_model_path (open_webui/retrieval/utils.py, 0.12.4) and
 * huggingface_hub/constants.py (1.33). `env` is what Open WebUI's processes get.
 */
export function hubCache(env: Environment, home: string): string {
  const expand = (path: string) =>
    path
      .replace(/^~(?=\/|$)/, home)
      .replaceAll(/\$(?:(\w+)|\{([^}]*)\})/g, (whole, bare, braced) => env[bare ?? braced] ?? whole);
  if (env.SENTENCE_TRANSFORMERS_HOME) return resolve(home, env.SENTENCE_TRANSFORMERS_HOME);
  const ofHub = env.HF_HUB_CACHE ?? env.HUGGINGFACE_HUB_CACHE;
  if (ofHub) return resolve(home, expand(ofHub));
  const ofHf = env.HF_HOME ?? join(env.XDG_CACHE_HOME || join(home, '.cache'), 'huggingface');
  return resolve(home, expand(ofHf), 'hub');
}
