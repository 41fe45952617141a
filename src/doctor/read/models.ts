import type { Environment } from '../../base/io/environment.ts';
import { findModels, type HubAnswer } from '../../facts/openwebui/models.ts';
import { neededModels } from '../../facts/openwebui/needed-models.ts';
import type { DatabaseFacts } from '../../facts/types.ts';
import type { LocalModel, ModelsState } from '../../runtime/contract.ts';
import { readModelsState } from '../../runtime/models-state.ts';
import { inForce, storedSettings } from './stored.ts';

export interface ModelsFacts {
  /** Those that a start of Open WebUI loads by itself. */
  models: readonly LocalModel[];
  /** Python packages that run them, and that are not installed. */
  absent: readonly string[];
  /** Who looked for them: the preload process (when, and when again), or we, just now. */
  lookedBy: 'preload' | 'doctor';
  checkedAt?: string;
  nextAttemptAt?: string;
  /** Documents are handed to the language model whole, so that no embedding model is needed. */
  isBypassed: boolean;
  /** Address of Hugging Face, or of a mirror. */
  endpoint: string;
  /** The user's setting that forbids asking there; undefined: none does. */
  offlineBy?: string;
  /** Folder in which Open WebUI looks for models; empty where it needs none. */
  cache: string;
  /** Whether the database names the embedding engine: then a change of the environment has no effect. */
  isStored: boolean;
  /** What Hugging Face says of those that are missing; empty: it was not asked. */
  answers: readonly HubAnswer[];
}

/** Hugging Face's own address. */
const HUB = 'https://huggingface.co';

const OFFLINE = ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE', 'OFFLINE_MODE'];
const isOn = (value: string | undefined) => /^(?:1|true|yes|on)$/i.test(value ?? '');

export interface ModelsQuestion {
  /** The installation's interpreter. */
  python: string;
  /** Of the user, with the settings of the env file and of the ecosystem file. */
  env: Environment;
  cwd: string;
  effective: ReadonlyMap<string, string>;
  database: DatabaseFacts;
  /**
   * Folder of the control socket; undefined: the preload process does not run, so that what it wrote is out of date.
   */
  runFolder: string | undefined;
}

/** Which local models are needed, whether they are here, and whether the missing ones can be fetched. */
export async function readModels(question: ModelsQuestion): Promise<ModelsFacts> {
  const { python, env, cwd, effective, database, runFolder } = question;
  const state = runFolder === undefined ? undefined : readModelsState(runFolder);
  const offlineBy = OFFLINE.find((name) => isOn(env[name]));
  const endpoint = state?.endpoint ?? (env.HF_ENDPOINT || HUB);
  const stored = storedSettings(effective, database);
  const facts = {
    endpoint,
    isBypassed: isOn(inForce('BYPASS_EMBEDDING_AND_RETRIEVAL', effective, database)),
    isStored: 'rag.embedding_engine' in stored,
    ...(offlineBy !== undefined && { offlineBy }),
    ...lookedAt(state),
  };
  const needed = state?.models ?? neededModels((name) => effective.get(name), stored);
  if (needed.length === 0) return { ...facts, models: [], absent: [], answers: [], cache: '' };
  const { models, ...found } = await findModels(
    python,
    {
      look: state ? [] : needed.map(({ name }) => name),
      missing: state ? state.models.filter(({ here }) => !here).map(({ name }) => name) : [],
      ask: offlineBy === undefined,
    },
    { env: { ...env, HF_ENDPOINT: endpoint }, cwd },
  );
  const looked = new Map(models.map((model) => [model.name, model]));
  return {
    ...facts,
    ...found,
    models: needed.map((model) => ({ here: false, reason: '', ...model, ...looked.get(model.name) })),
  };
}

function lookedAt(
  state: ModelsState | undefined,
): Pick<ModelsFacts, 'lookedBy' | 'checkedAt' | 'nextAttemptAt'> {
  if (!state) return { lookedBy: 'doctor' };
  const { checkedAt, nextAttemptAt } = state;
  return { lookedBy: 'preload', checkedAt, ...(nextAttemptAt !== null && { nextAttemptAt }) };
}
