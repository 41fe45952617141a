/** What is known of the backups that are made by a schedule: one file, which the commands, PM2's app and the metrics read. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { EXIT, systemCode, TuneError } from '../../base/errors.ts';
import { withLock } from '../../base/io/lock.ts';
import { statOrUndefined } from '../../base/io/stat.ts';
import { makePrivateFolder, writeAtomically } from '../../base/io/write.ts';

/** How often; without a word: the second. */
export const SCHEDULES = ['hourly', 'daily', 'weekly'] as const;
export type Schedule = (typeof SCHEDULES)[number];

const Made = z.object({
  file: z.string(),
  /** ISO 8601, as all times here. */
  at: z.iso.datetime(),
  bytes: z.int(),
  /** Milliseconds since 1970 of its last change: a file that was changed since is not ours to delete. */
  modified: z.number(),
  seconds: z.number(),
  /** What is not in it, in words; absent: all is. */
  lacking: z.string().exactOptional(),
});

const State = z.object({
  /** Absent: none are made. */
  schedule: z.enum(SCHEDULES).exactOptional(),
  /** Where they go. */
  folder: z.string(),
  /** Those that were proven when they were made, oldest first. */
  made: z.array(Made),
  /** The last attempt, unless it was a success; `busy`: another command changed the installation. */
  failure: z.object({ at: z.iso.datetime(), reason: z.string(), busy: z.boolean() }).exactOptional(),
  /** The process that makes one now, or was killed in the middle of it. */
  running: z.object({ pid: z.int(), startTime: z.string() }).exactOptional(),
});

export type MadeBackup = z.infer<typeof Made>;
export type BackupState = z.infer<typeof State>;

/** `folder` is that of the installation. */
export function backupStatePath(folder: string): string {
  return join(folder, 'backups.json');
}

/** Undefined: there never was a schedule. Throws TuneError for a file that is not ours. */
export function readBackupState(path: string): BackupState | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw new TuneError(`${path} cannot be read: ${systemCode(error)}`, EXIT.output);
  }
  try {
    return State.parse(JSON.parse(text));
  } catch {
    throw new TuneError(`${path} is not what webui-tune backup keeps there`, EXIT.settings, [
      `rm ${path}, then: webui-tune backup --schedule; backups that are there stay, and are not deleted in time`,
    ]);
  }
}

/** Changes what the file says at this moment. */
export function changeBackupState(
  path: string,
  change: (state: BackupState | undefined) => BackupState,
): Promise<BackupState> {
  makePrivateFolder(dirname(path));
  return withLock(`${path}.lock`, () => {
    const state = change(readBackupState(path));
    writeAtomically(path, `${JSON.stringify(state, undefined, 2)}\n`, 0o600);
    return state;
  });
}

/** The newest that is still there. */
export function lastGood({ made }: BackupState): MadeBackup | undefined {
  return made.findLast(({ file }) => statOrUndefined(file)?.isFile());
}
