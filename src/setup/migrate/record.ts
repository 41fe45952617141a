import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { EXIT, systemCode, TuneError } from '../../base/errors.ts';
import { makePrivateFolder, writeAtomically } from '../../base/io/write.ts';

const Record = z.object({
  /** ISO 8601. */
  at: z.string(),
  /** The SQLite file, and its data folder: as they were. */
  source: z.string(),
  dataDir: z.string(),
  /** Whether the installed Open WebUI is newer than what wrote the file. */
  isOlder: z.boolean(),
  /** Names of the settings that were written, and what the secrets file had for some of them before. */
  names: z.array(z.string()),
  former: z.record(z.string(), z.string()),
  /** What served it, and can be started again (old-server.ts). */
  old: z.array(
    z.union([
      z.object({ kind: z.literal('pm2'), apps: z.array(z.string()) }),
      z.object({ kind: z.literal('unit'), unit: z.string(), ofUser: z.boolean() }),
      z.object({ kind: z.literal('container'), id: z.string() }),
      z.object({ kind: z.literal('process'), pid: z.number(), command: z.string() }),
    ]),
  ),
  /** Rows of the files that name a new place: written by us. */
  relocated: z.number(),
});

/** What a migration has changed, for the way back. */
export type MigrationRecord = z.infer<typeof Record>;

const pathIn = (folder: string) => join(folder, 'migrated.json');

/** `folder` is that of migrations. Undefined: nothing was migrated. Throws TuneError. */
export function readRecord(folder: string): MigrationRecord | undefined {
  try {
    return Record.parse(JSON.parse(readFileSync(pathIn(folder), 'utf8')));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw new TuneError(`${pathIn(folder)} does not say what was migrated`, EXIT.settings);
  }
}

export function writeRecord(folder: string, record: MigrationRecord): void {
  makePrivateFolder(folder);
  writeAtomically(pathIn(folder), `${JSON.stringify(record, undefined, 2)}\n`, 0o600);
}

export function removeRecord(folder: string): void {
  rmSync(pathIn(folder), { force: true });
}
