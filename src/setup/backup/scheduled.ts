import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import { LockHeld } from '../../base/io/lock.ts';
import { statOrUndefined } from '../../base/io/stat.ts';
import { makePrivateFolder } from '../../base/io/write.ts';
import { readProcess } from '../../base/machine/process-table.ts';
import {
  type BackupState,
  backupStatePath,
  changeBackupState,
  type MadeBackup,
  readBackupState,
  type Schedule,
} from '../../runtime/backups/state.ts';
import { change } from '../journal/change.ts';
import { runJob } from '../journal/job.ts';
import { Journal } from '../journal/journal.ts';
import { withServices } from '../up/service.ts';
import type { Setup } from '../up/setup.ts';
import { type BackupData, backupJob, lackingIn } from './create.ts';
import { requireRoom } from './room.ts';
import { rotate } from './rotation.ts';
import { sourceOf } from './source.ts';

/** Characters of a failure that are kept: what went wrong comes first. */
const LONGEST_REASON = 500;

/** Where the backups of a schedule go, unless a folder is named. */
export function usualFolder(setup: Setup): string {
  return join(setup.folder, 'backups', 'scheduled');
}

/** Keeps the schedule; the folder is made. Throws TuneError. */
export async function setSchedule(
  setup: Setup,
  schedule: Schedule | undefined,
  to: string | undefined,
): Promise<BackupState> {
  const path = backupStatePath(setup.folder);
  const before = readBackupState(path);
  const folder = to === undefined ? (before?.folder ?? usualFolder(setup)) : resolve(to);
  if (schedule !== undefined) {
    const { plan } = await setup.tuned();
    if (`${folder}${sep}`.startsWith(`${join(plan.places.dataDir, 'uploads')}${sep}`)) {
      throw new TuneError(`${folder} is one of the folders that a backup saves`, EXIT.usage, [
        'name another one: --to FOLDER, best on another disk',
      ]);
    }
    makePrivateFolder(folder);
  }
  return changeBackupState(path, (state) => {
    const { schedule: _, failure: __, ...rest } = state ?? { made: [] };
    return { ...rest, folder, ...(schedule !== undefined && { schedule }) };
  });
}

/** What was made, and what of it is still kept. */
export interface ScheduledBackup {
  made: MadeBackup;
  kept: number;
}

/**
 * Makes one backup of the schedule, and deletes those whose time is over. What fails is kept for `status`, `doctor` and the
 * metrics. Throws TuneError.
 */
export async function makeScheduled(setup: Setup, tell: (text: string) => void): Promise<ScheduledBackup> {
  const path = backupStatePath(setup.folder);
  const state = readBackupState(path);
  if (state?.schedule === undefined) {
    throw new TuneError('there is no schedule, so a backup needs a file to write', EXIT.usage, [
      'webui-tune backup FILE, or webui-tune backup --schedule',
    ]);
  }
  try {
    requireResumable(setup);
    const made = await change(setup, tell, async (context) => {
      const { pid } = process;
      const running = { pid, startTime: readProcess(pid)?.startTime ?? '' };
      await changeBackupState(path, (now) => ({ ...(now ?? state), running }));
      const started = performance.now();
      requireFolder(state.folder);
      const name = `open-webui-${new Date().toISOString().replaceAll(':', '-')}`;
      const file = join(state.folder, `${name}.tar`);
      const unfinished = join(state.folder, `.${name}.${randomBytes(4).toString('hex')}.unfinished`);
      const work = { folder: join(setup.folder, 'backup'), unfinished };
      const job = backupJob(() => sourceOf(setup), `the backup to ${file}`);
      const lacking = await withServices(setup, async () => {
        const source = await sourceOf(setup);
        await requireRoom(source, work);
        return lackingIn(await runJob<BackupData>(job, { file, ...work }, context), source);
      });
      const { size, mtimeMs } = statSync(file);
      const seconds = Math.round((performance.now() - started) / 100) / 10;
      return {
        file,
        at: new Date().toISOString(),
        bytes: size,
        modified: mtimeMs,
        seconds,
        ...(lacking !== undefined && { lacking }),
      };
    });
    await changeBackupState(path, (now) => {
      const { failure: _, running: __, ...rest } = now ?? state;
      return { ...rest, made: [...rest.made, made] };
    });
    const { made: kept } = await changeBackupState(path, (now = state) => ({
      ...now,
      made: rotate(now.made, now.schedule === 'hourly'),
    }));
    return { made, kept: kept.length };
  } catch (error) {
    const busy = error instanceof LockHeld;
    const reason = (error instanceof Error ? error.message : String(error)).slice(0, LONGEST_REASON);
    await changeBackupState(path, (now) => {
      const { running, ...rest } = now ?? state;
      // Of the other one, where that is a backup too.
      const others = busy && running ? { running } : {};
      return { ...rest, ...others, failure: { at: new Date().toISOString(), reason, busy } };
    });
    throw error;
  }
}

/** What another command was cut short in is completed or undone by somebody who is there; a backup is simply made anew. */
function requireResumable(setup: Setup): void {
  const entry = new Journal(setup.folder).read();
  if (!entry || entry.command === 'backup') return;
  throw new TuneError(`${entry.what}, begun at ${entry.begun}, is half done`, EXIT.service, [
    'webui-tune resume',
  ]);
}

/** A disk that is not mounted must not be taken for an empty folder. */
function requireFolder(folder: string): void {
  if (statOrUndefined(folder)?.isDirectory()) return;
  throw new TuneError(`there is no folder ${folder}: is its disk mounted?`, EXIT.output, [
    'mount it, or: webui-tune backup --schedule --to ANOTHER',
  ]);
}
