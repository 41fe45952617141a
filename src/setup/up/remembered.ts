import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { EXIT, systemCode, TuneError } from '../../base/errors.ts';
import { makePrivateFolder, writeAtomically } from '../../base/io/write.ts';
import type { PlannedMemory } from '../../plan/outgrown.ts';
import { LIMITS } from '../../plan/types.ts';
import { PRELOAD_CHOICES, RUNTIMES } from '../../runtime/contract.ts';
import type { TuneOptions } from '../../tune/options.ts';

/** Bytes. */
const PlannedMemorySchema = z.object({
  budget: z.number(),
  predicted: z.number(),
  workerLimit: z.number(),
  limitedBy: z.enum(LIMITS),
}) satisfies z.ZodType<PlannedMemory>;

const Remembered = z.object({
  /** What was said on the command line: it holds until something else is said. */
  options: z
    .object({
      python: z.string(),
      envFile: z.string(),
      host: z.string(),
      port: z.int(),
      workers: z.union([z.int(), z.literal('auto')]),
      memory: z.string(),
      preset: z.string(),
      runtime: z.enum(RUNTIMES),
      preload: z.enum(PRELOAD_CHOICES),
      staticCache: z.boolean(),
      shortcuts: z.boolean(),
      metrics: z.union([z.int(), z.literal('off')]),
    })
    .partial(),
  /** What the ecosystem file was made from, how many workers it has, and what the apps read: the file and the env file. */
  planned: z
    .object({
      fingerprint: z.string(),
      workers: z.int(),
      content: z.string(),
      /** What its memory was planned with (plan/outgrown.ts); undefined: by an earlier version. */
      memory: PlannedMemorySchema.optional(),
    })
    .optional(),
  /** `content` of what was started last. */
  started: z.string().optional(),
  /** Whether PM2 is to bring it back after a boot. */
  startup: z.boolean().optional(),
  /** What `up` has made beside its own folders, for `down --purge`. */
  made: z
    .object({
      /** PM2's folder. */
      pm2Home: z.boolean(),
      bootScript: z.boolean(),
      /** The embedding model's folder in the cache of huggingface_hub. */
      model: z.string(),
    })
    .partial()
    .optional(),
});

/** What a plan takes and `up` keeps. */
type Said = Omit<TuneOptions, 'cpus' | 'root' | 'rotateLogs' | 'out' | 'cwd' | 'env'>;

export interface Remembered extends Omit<z.infer<typeof Remembered>, 'options'> {
  options: Said;
}

/** Throws TuneError for a file that is not ours. */
export function readRemembered(path: string): Remembered {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return { options: {} };
    throw new TuneError(`${path} cannot be read: ${systemCode(error)}`, EXIT.output);
  }
  try {
    // JSON has no undefined.
    return Remembered.parse(JSON.parse(text)) as Remembered;
  } catch {
    throw new TuneError(`${path} is not what webui-tune up keeps there`, EXIT.settings, [
      `rm ${path}, and give up your options again`,
    ]);
  }
}

export function writeRemembered(path: string, remembered: Remembered): void {
  makePrivateFolder(dirname(path));
  writeAtomically(path, `${JSON.stringify(remembered, undefined, 2)}\n`, 0o600);
}

/** What was said before, with what is said now in its place; paths are made absolute, to mean the same from anywhere. */
export function mergeOptions(
  before: Said,
  {
    python,
    envFile,
    host,
    port,
    workers,
    memory,
    preset,
    runtime,
    preload,
    staticCache,
    shortcuts,
    metrics,
  }: TuneOptions,
  cwd: string,
): Said {
  const said: { [K in keyof Said]: Said[K] | undefined } = {
    python: python?.includes('/') ? resolve(cwd, python) : python,
    envFile: envFile === undefined ? undefined : resolve(cwd, envFile),
    host,
    port,
    workers,
    memory,
    preset: preset !== undefined && /[/\\]|\.ya?ml$/.test(preset) ? resolve(cwd, preset) : preset,
    runtime,
    preload,
    staticCache,
    shortcuts,
    metrics,
  };
  const given = Object.entries(said).filter(([, value]) => value !== undefined);
  return { ...before, ...Object.fromEntries(given) };
}
