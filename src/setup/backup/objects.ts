import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { EXIT, TuneError } from '../../base/errors.ts';
import type { Environment } from '../../base/io/environment.ts';
import { spawnOptions } from '../../base/io/interrupts.ts';
import { shippedFile } from '../../base/io/package.ts';
import { tailOf } from '../../base/io/run.ts';
import type { Settings } from '../../facts/types.ts';
import { ByteReader } from './byte-reader.ts';

/** A bucket in which Open WebUI keeps the uploads. */
export interface ObjectStore {
  /** In words, for people. */
  where: string;
  python: string;
  /** With the settings that Open WebUI finds it by: a command line is for everybody to read. */
  env: Environment;
}

export interface StoredObject {
  key: string;
  size: number;
  /** Has to be read before the next object. */
  content: AsyncIterable<Buffer>;
}

/** S3 with boto3, which every Open WebUI brings; undefined: uploads are elsewhere. */
export function findObjectStore(
  settings: Settings,
  python: string,
  env: Environment,
): ObjectStore | undefined {
  const value = (name: string) => settings.get(name)?.value;
  if (value('STORAGE_PROVIDER') !== 's3') return undefined;
  const at = value('S3_ENDPOINT_URL');
  const values = [...settings].map(([name, setting]) => [name, setting.value]);
  return {
    where: `the bucket ${value('S3_BUCKET_NAME')}${at === undefined ? '' : ` at ${hostOf(at)}`}`,
    python,
    env: { ...env, ...Object.fromEntries(values) },
  };
}

/** The URL may hold a password. */
function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'S3_ENDPOINT_URL';
}

/** Uploads that no backup holds: where they are, and how to save them. Undefined: there are none. */
export function uploadsElsewhere(settings: Settings): string | undefined {
  const value = (name: string) => settings.get(name)?.value ?? '';
  const provider = value('STORAGE_PROVIDER');
  if (provider === 'gcs') {
    const bucket = value('GCS_BUCKET_NAME');
    return `uploads are in the Google bucket ${bucket}, and not in the backup: gcloud storage rsync gs://${bucket} FOLDER --recursive`;
  }
  if (provider === 'azure') {
    const container = value('AZURE_STORAGE_CONTAINER_NAME');
    return `uploads are in the Azure container ${container}, and not in the backup: azcopy sync ${value('AZURE_STORAGE_ENDPOINT')}/${container} FOLDER`;
  }
  return undefined;
}

/** The key in a row of Open WebUI's table of files, as it finds it itself (open_webui/storage/provider.py, _extract_s3_key). */
export function keyOf(path: string): string {
  return path.split('//')[1]?.split('/').slice(1).join('/') ?? '';
}

/**
 * Reads objects, one after the other, and as fast as they are taken. `missing` is called for those that are not there.
 * Throws TuneError.
 */
export async function* readObjects(
  store: ObjectStore,
  keys: AsyncIterable<string>,
  missing: () => void,
): AsyncGenerator<StoredObject> {
  const { child, ended } = start(store, 'read');
  const feeding = pipeline(Readable.from(linesOf(keys)), child.stdin);
  // Where the program ends early, its own words tell more.
  const fed = feeding.then(
    () => undefined,
    (error: unknown) => error,
  );
  try {
    const reader = new ByteReader(child.stdout);
    for (;;) {
      const line = await reader.line();
      if (line === undefined) break;
      const { key, size } = JSON.parse(line) as { key: string; size: number | null };
      if (size === null) missing();
      else yield { key, size, content: reader.take(size) };
    }
    await ended();
    const error = await fed;
    if (error !== undefined) throw error;
  } finally {
    child.kill();
  }
}

async function* linesOf(keys: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const key of keys) yield `${JSON.stringify(key)}\n`;
}

/** Names in the folder of an unpacked backup: `N` is an object, `N.json` has its key. */
export const KEY_ENDING = '.json';

/** Puts the objects of an unpacked backup into the bucket, but for those that are there. Throws TuneError. */
export async function writeObjects(store: ObjectStore, folder: string): Promise<void> {
  const names = readdirSync(folder).filter((name) => name.endsWith(KEY_ENDING));
  const { child, ended } = start(store, 'write');
  const lines = names.map((name) => {
    const { key } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as { key: string };
    return `${JSON.stringify({ key, path: join(folder, name.slice(0, -KEY_ENDING.length)) })}\n`;
  });
  child.stdout.resume();
  await pipeline(Readable.from(lines), child.stdin).catch(() => {});
  await ended();
}

function start({ where, python, env }: ObjectStore, mode: 'read' | 'write') {
  const script = shippedFile('objects.py', join('setup', 'backup', 'objects.py'));
  const child = spawn(python, ['-P', script, mode], { env, stdio: 'pipe', ...spawnOptions() });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-10_000);
  });
  const closed = once(child, 'close');
  closed.catch(() => {});
  /** Throws TuneError with its words where it failed. */
  const ended = async () => {
    const [code] = await closed;
    if (code === 0) return;
    throw new TuneError(
      `${where} cannot be ${mode === 'read' ? 'read' : 'written'}:\n${tailOf(errors, 6)}`,
      EXIT.service,
      ['webui-tune uses the settings of Open WebUI: STORAGE_PROVIDER, S3_…'],
    );
  };
  return { child, ended };
}
