import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import { makePrivateFolder } from '../../base/io/write.ts';
import type { Plan } from '../../plan/types.ts';
import { keepSecrets } from '../../tune/secrets/secrets-file.ts';
import type { Setup } from '../up/setup.ts';
import { type About, ENTRIES, unpack } from './archive.ts';
import { createBackup } from './create.ts';
import { countUsers, type Database, restoreDatabase } from './database.ts';

export interface Unpacked {
  about: About;
  folder: string;
}

/** Unpacks a backup beside the data, and looks whether it can be used. Throws TuneError; nothing was changed then. */
export async function openBackup(setup: Setup, plan: Plan, file: string): Promise<Unpacked> {
  if (!existsSync(file)) throw new TuneError(`there is no ${file}`, EXIT.usage);
  makePrivateFolder(setup.folder);
  const folder = mkdtempSync(join(setup.folder, 'restore-'));
  try {
    const about = await unpack(file, folder);
    if (isNewer(about.openWebui, plan.openWebui.version)) {
      throw new TuneError(
        `${file} is of Open WebUI ${about.openWebui}, and ${plan.openWebui.version} is installed: it cannot read that`,
        EXIT.openWebui,
        [`install Open WebUI ${about.openWebui} first; nothing was changed`],
      );
    }
    return { about, folder };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Throws TuneError where people have accounts already, unless they may be replaced. */
export async function refuseOverwrite(database: Database, overwrite: boolean): Promise<number> {
  const users = await countUsers(database);
  if (users === 0 || overwrite) return users;
  throw new TuneError(
    `the database at ${database.where} has ${users} ${users === 1 ? 'account' : 'accounts'}, with all that is theirs`,
    EXIT.usage,
    ['--overwrite puts the backup in its place, and saves what is there before; nothing was changed'],
  );
}

/**
 * Puts the backup in the place of what is there; no worker may run. Returns where what was there is kept, if anybody
 * had an account. Throws TuneError: the database is then as it was.
 */
export async function restoreBackup(
  setup: Setup,
  plan: Plan,
  database: Database,
  { folder }: Unpacked,
  users: number,
): Promise<string | undefined> {
  let kept: string | undefined;
  if (users > 0) {
    const backups = join(setup.folder, 'backups');
    mkdirSync(backups, { recursive: true, mode: 0o700 });
    kept = join(backups, `before-restore-${new Date().toISOString().replaceAll(':', '-')}.tar`);
    await createBackup(setup, plan, database, kept);
  }
  await restoreDatabase(database, join(folder, ENTRIES.database), folder);
  replaceUploads(plan.places.dataDir, join(folder, ENTRIES.uploads));
  const key = join(folder, ENTRIES.key);
  if (existsSync(key)) {
    await keepSecrets(plan.places.secretsFile, {
      settings: new Map([['WEBUI_SECRET_KEY', readFileSync(key, 'utf8')]]),
      once: new Map(),
    });
  }
  return kept;
}

/** Within one file system: by renaming. */
function replaceUploads(dataDir: string, restored: string): void {
  const uploads = join(dataDir, 'uploads');
  const old = `${uploads}.replaced`;
  rmSync(old, { recursive: true, force: true });
  if (existsSync(uploads)) renameSync(uploads, old);
  if (existsSync(restored)) renameSync(restored, uploads);
  else mkdirSync(uploads, { recursive: true });
  rmSync(old, { recursive: true, force: true });
}

/** By numbers: 0.12.10 is newer than 0.12.4. */
export function isNewer(version: string, than: string): boolean {
  const numbers = (text: string) => text.split('.').map((part) => Number.parseInt(part, 10) || 0);
  const [ours, theirs] = [numbers(version), numbers(than)];
  for (let index = 0; index < Math.max(ours.length, theirs.length); index++) {
    const difference = (ours[index] ?? 0) - (theirs[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}
