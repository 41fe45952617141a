import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { EXIT, systemCode, TuneError } from '../../base/errors.ts';
import { makePrivateFolder, writeAtomically } from '../../base/io/write.ts';
import { type OptionsWith, optionsWith, type PlanOptions, ROWS, schemasOf } from '../../plan/options.ts';
import { PlannedMemorySchema } from '../../plan/outgrown.ts';

const Remembered = z.object({
  /** What was said on the command line: it holds until something else is said. */
  options: z.object(schemasOf(optionsWith('remembered'))).partial(),
  /** What the ecosystem file was made from, how many workers it has, and what the apps read: the file and the env file. */
  planned: z
    .object({
      fingerprint: z.string(),
      workers: z.int(),
      /** Of a range of workers: the least, which a start waits for. */
      leastWorkers: z.int().optional(),
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
type Said = Pick<PlanOptions, OptionsWith<'remembered'>>;

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
export function mergeOptions(before: Said, now: PlanOptions, cwd: string): Said {
  const said = optionsWith('remembered').flatMap((name) => {
    const value = now[name];
    if (value === undefined) return [];
    const isPath = typeof value === 'string' && ROWS[name].isPath?.(value);
    return [[name, isPath ? resolve(cwd, value) : value]];
  });
  return { ...before, ...Object.fromEntries(said) };
}
