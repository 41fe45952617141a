import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { create, extract } from 'tar';
import { z } from 'zod';
import { EXIT, TuneError } from '../../base/errors.ts';

/** Names in the archive. */
export const ENTRIES = {
  about: 'backup.json',
  database: 'database.dump',
  key: 'secret-key',
  uploads: 'uploads',
} as const;

const About = z.object({
  format: z.literal(1),
  /** ISO 8601. */
  made: z.string(),
  openWebui: z.string(),
  uploads: z.int(),
});

export type About = z.infer<typeof About>;

/** Writes entries of `folder` into one file, for nobody else to read; links are followed. */
export async function pack(file: string, folder: string, names: readonly string[]): Promise<void> {
  await create({ file, cwd: folder, mode: 0o600, portable: true, follow: true }, [...names]);
}

/** Unpacks into an empty folder. Throws TuneError for what is no backup of ours. */
export async function unpack(file: string, folder: string): Promise<About> {
  try {
    // Nothing can be written outside of the folder: absolute paths and ".." are refused by the package.
    await extract({ file, cwd: folder, strict: true, filter: (_, entry) => isPlain(entry) });
    return About.parse(JSON.parse(readFileSync(join(folder, ENTRIES.about), 'utf8')));
  } catch (error) {
    const reason =
      error instanceof z.ZodError ? 'of a format that this version does not know' : String(error);
    throw new TuneError(`${file} is no backup of webui-tune, or only a part of one: ${reason}`, EXIT.usage, [
      'nothing was changed',
    ]);
  }
}

/** Links could lead out of the folder. */
function isPlain(entry: object): boolean {
  return !('type' in entry) || ['File', 'OldFile', 'Directory'].includes(String(entry.type));
}
