import { spawn } from 'node:child_process';
import { homedir } from 'node:os';
import { z } from 'zod';
import { EXIT, TuneError } from '../../base/errors.ts';
import type { Environment } from '../../base/io/environment.ts';
import { shippedFile } from '../../base/io/package.ts';
import { hubCache } from '../../facts/openwebui/hub-cache.ts';
import type { DatabaseFacts } from '../../facts/types.ts';
import { DEFAULT_MODEL, type LocalModel, type ModelsState } from '../../runtime/contract.ts';
import { readModelsState } from '../../runtime/models-state.ts';
import { inForce, storedSettings } from './stored.ts';

export interface ModelsFacts {
  /** Those that a start of Open WebUI loads by itself. */
  models: readonly LocalModel[];
  /** Python packages that run them, and that are not installed. */
  absent: readonly string[];
  /** Who has looked for them: the preload process, when and when again; or we, just now. */
  lookedBy: 'preload' | 'doctor';
  checkedAt?: string;
  nextAttemptAt?: string;
  /** Documents are handed to the language model whole: nobody misses an embedding model. */
  isBypassed: boolean;
  /** Address of Hugging Face, or of a mirror. */
  endpoint: string;
  /** The setting of the user that forbids to ask there; undefined: none does. */
  offlineBy?: string;
  /** Folder in which Open WebUI looks for what it has fetched. */
  cache: string;
  /** Whether the database says what is embedded with: a change of the environment has no effect then. */
  isStored: boolean;
  /** What Hugging Face says of those that are missing; empty: it was not asked. */
  answers: readonly HubAnswer[];
}

/** Hugging Face's own address. */
const HUB = 'https://huggingface.co';

/** Milliseconds for all that is asked of Hugging Face. */
const HUB_TIMEOUT = 5_000;
/** Milliseconds until an interpreter that does not answer is given up; a busy machine takes seconds to load its packages. */
const LOOK_TIMEOUT = 30_000;

const OFFLINE = ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE', 'OFFLINE_MODE'];
const isOn = (value: string | undefined) => /^(?:1|true|yes|on)$/i.test(value ?? '');

const Looked = z.object({
  models: z.array(z.object({ name: z.string(), here: z.boolean(), reason: z.string() })),
  /** Packages that run local models, and that are not installed. */
  absent: z.array(z.string()),
});
type Looked = z.infer<typeof Looked>;
const HubAnswer = z.object({
  name: z.string(),
  /** Why it cannot be had from there; empty: it can. */
  reason: z.string(),
  ms: z.number(),
});
export type HubAnswer = z.infer<typeof HubAnswer>;

export interface ModelsQuestion {
  /** The installation's interpreter. */
  python: string;
  /** Of the user, with the settings of the env file and of the ecosystem file. */
  env: Environment;
  cwd: string;
  effective: ReadonlyMap<string, string>;
  database: DatabaseFacts;
  /** Folder of the control socket; undefined: the preload process does not run, and what it wrote is of earlier. */
  runFolder: string | undefined;
}

/** Which local models there have to be, whether they are here, and whether those that are not can be had. */
export async function readModels({ runFolder, ...about }: ModelsQuestion): Promise<ModelsFacts> {
  const { env, effective, database } = about;
  const state = runFolder === undefined ? undefined : readModelsState(runFolder);
  const needed = state?.models ?? neededModels(effective, database);
  const offlineBy = OFFLINE.find((name) => isOn(env[name]));
  const endpoint = state?.endpoint ?? (env.HF_ENDPOINT || HUB);
  const facts = {
    endpoint,
    cache: hubCache(env, env.HOME || homedir()),
    isBypassed: isOn(inForce('BYPASS_EMBEDDING_AND_RETRIEVAL', effective, database)),
    isStored: 'rag.embedding_engine' in storedSettings(effective, database),
    ...(offlineBy !== undefined && { offlineBy }),
    ...lookedAt(state),
  };
  const missing = state ? needed.filter(({ here }) => !here).map(({ name }) => name) : [];
  const look = state ? [] : needed.map(({ name }) => name);
  if (needed.length === 0) return { ...facts, models: needed, absent: [], answers: [] };
  const question = { look, missing, ask: offlineBy === undefined };
  const { looked, answers } = await askPython(about, question, endpoint);
  const models = needed.map((model) => {
    const found = looked.models.find(({ name }) => name === model.name);
    return found ? { ...model, ...found } : model;
  });
  return { ...facts, models, absent: looked.absent, answers };
}

function lookedAt(
  state: ModelsState | undefined,
): Pick<ModelsFacts, 'lookedBy' | 'checkedAt' | 'nextAttemptAt'> {
  if (!state) return { lookedBy: 'doctor' };
  const { checkedAt, nextAttemptAt } = state;
  return { lookedBy: 'preload', checkedAt, ...(nextAttemptAt !== null && { nextAttemptAt }) };
}

/** As Open WebUI's start-up chooses them (open_webui/main.py and routers/retrieval.py, 0.12.4). */
export function neededModels(effective: ReadonlyMap<string, string>, database: DatabaseFacts): LocalModel[] {
  const value = (name: string) => inForce(name, effective, database) ?? '';
  const model = (kind: LocalModel['kind'], name: string): LocalModel[] =>
    name === '' ? [] : [{ kind, name, here: false, reason: '' }];
  if (isOn(effective.get('USE_SLIM_DOCKER'))) return [];
  const embedding = inForce('RAG_EMBEDDING_MODEL', effective, database) ?? DEFAULT_MODEL;
  const isReranked =
    isOn(value('ENABLE_RAG_HYBRID_SEARCH')) &&
    !isOn(value('BYPASS_EMBEDDING_AND_RETRIEVAL')) &&
    value('RAG_RERANKING_ENGINE') !== 'external';
  return [
    ...model('embedding', value('RAG_EMBEDDING_ENGINE') === '' ? embedding : ''),
    ...model('reranker', isReranked ? value('RAG_RERANKING_MODEL') : ''),
  ];
}

interface PythonQuestion {
  look: readonly string[];
  missing: readonly string[];
  ask: boolean;
}

/**
 * Runs models.py, which looks and then asks. It is killed when the second takes too long: neither a name server nor a
 * connection that hangs can hold us up.
 */
function askPython(
  { python, env, cwd }: Pick<ModelsQuestion, 'python' | 'env' | 'cwd'>,
  question: PythonQuestion,
  endpoint: string,
): Promise<{ looked: Looked; answers: HubAnswer[] }> {
  return new Promise((resolve, reject) => {
    const child = spawn(python, [shippedFile('models.py', 'facts/openwebui/models.py')], {
      env: { ...env, HF_ENDPOINT: endpoint, HF_HUB_DISABLE_TELEMETRY: '1', PYTHONDONTWRITEBYTECODE: '1' },
      cwd,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const end = () => child.kill('SIGKILL');
    let timer = setTimeout(end, LOOK_TIMEOUT);
    let [output, complaint] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (!output.includes('\n') && text.includes('\n')) {
        clearTimeout(timer);
        timer = setTimeout(end, HUB_TIMEOUT);
      }
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint += text;
    });
    child.stdin.on('error', () => {}); // it has ended, and its exit tells why
    const fail = (reason: string) =>
      reject(new TuneError(`${python} cannot look for models: ${reason}`, EXIT.openWebui));
    child.on('error', (error) => fail(error.message));
    child.on('close', () => {
      clearTimeout(timer);
      const [first, second] = output.split('\n');
      const looked = Looked.safeParse(parse(first));
      if (!looked.success) return fail(complaint.trim().split('\n').at(-1) || 'it does not answer');
      const answers = z.array(HubAnswer).safeParse(parse(second));
      resolve({
        looked: looked.data,
        answers: answers.success ? answers.data : unanswered(question, looked.data),
      });
    });
    child.stdin.end(JSON.stringify(question));
  });
}

function unanswered({ missing }: PythonQuestion, looked: Looked): HubAnswer[] {
  const names = [...missing, ...looked.models.filter(({ here }) => !here).map(({ name }) => name)];
  const reason = `no answer within ${HUB_TIMEOUT / 1000} s`;
  return names.map((name) => ({ name, reason, ms: HUB_TIMEOUT }));
}

function parse(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}
