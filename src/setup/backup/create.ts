import {
  existsSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { EXIT, systemCode, TuneError } from '../../base/errors.ts';
import { statOrUndefined } from '../../base/io/stat.ts';
import type { Plan } from '../../plan/types.ts';
import type { Setup } from '../up/setup.ts';
import { type About, ENTRIES, pack } from './archive.ts';
import { type Database, dumpDatabase } from './database.ts';

/**
 * Writes the database, the uploads and the key into one new file (0600). The database goes first: a document that is
 * uploaded meanwhile is then a file too much, not one too few. Throws TuneError; there is never half a file.
 */
export async function createBackup(
  setup: Setup,
  plan: Plan,
  database: Database,
  file: string,
): Promise<About> {
  if (existsSync(file)) {
    throw new TuneError(`${file} is there already, and is left as it is`, EXIT.output, ['name another file']);
  }
  const folder = mkdtempSync(join(setup.folder, 'backup-'));
  const unfinished = `${file}.unfinished`;
  try {
    await dumpDatabase(database, join(folder, ENTRIES.database));
    const { settings } = await setup.tuned();
    const key = settings.get('WEBUI_SECRET_KEY')?.value;
    if (key !== undefined) writeFileSync(join(folder, ENTRIES.key), key, { mode: 0o600 });
    const uploads = join(plan.places.dataDir, 'uploads');
    const count = statOrUndefined(uploads) ? readdirSync(uploads).length : 0;
    if (count > 0) symlinkSync(uploads, join(folder, ENTRIES.uploads));
    const about: About = {
      format: 1,
      made: new Date().toISOString(),
      openWebui: plan.openWebui.version,
      uploads: count,
    };
    writeFileSync(join(folder, ENTRIES.about), `${JSON.stringify(about, undefined, 2)}\n`);
    // What it is comes first, so that it is found without reading all of it.
    const names = readdirSync(folder).filter((name) => name !== ENTRIES.about);
    await pack(unfinished, folder, [ENTRIES.about, ...names]);
    renameSync(unfinished, file);
    return about;
  } catch (error) {
    const reasons: Readonly<Record<string, string>> = {
      ENOSPC: 'no space left',
      ENOENT: 'the folder does not exist',
      EACCES: 'permission denied',
    };
    const reason = reasons[systemCode(error) ?? ''];
    if (reason === undefined) throw error;
    throw new TuneError(`${file} cannot be written: ${reason}`, EXIT.output);
  } finally {
    rmSync(unfinished, { force: true });
    rmSync(folder, { recursive: true, force: true });
  }
}
