import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isLoopback } from '../../base/io/address.ts';
import { type Need, requireSpace } from '../../base/io/disk-space.ts';
import { statOrUndefined } from '../../base/io/stat.ts';
import { tablesSize } from '../backup/database.ts';
import { findDatabase } from '../backup/tools.ts';
import { type BackupPlace, sqliteOf } from './backup.ts';
import type { UpgradeData } from './job.ts';

/** Bytes that a package takes for each that is downloaded: unpacked, and compiled. Open WebUI's own: 2.6 (0.12.4). */
const UNPACKED = 3;
/** What a database takes beside its tables: indexes. Of a migration that writes a table anew, as much again. */
const COPY = 2;

/** Throws TuneError where the disks have no room for all that an upgrade writes. Nothing was changed then. */
export async function requireRoom(
  { folder, environment, download = 0 }: Pick<UpgradeData, 'folder' | 'environment' | 'download'>,
  place: Omit<BackupPlace, 'folder'>,
): Promise<void> {
  const database = await findDatabase(place);
  const tables = database ? await tablesSize(database) : (statOrUndefined(sqliteOf(place))?.size ?? 0);
  const isOurs = isLoopback(database?.env.PGHOST ?? '') && existsSync(join(place.services, 'postgres'));
  const needs: Need[] = [
    { path: folder, bytes: tables, what: 'the backup of the database' },
    // Of a server elsewhere, nobody knows the disk.
    ...(!database || isOurs
      ? [{ path: database ? place.services : folder, bytes: COPY * tables, what: 'a copy to try it on' }]
      : []),
    { path: environment ?? folder, bytes: UNPACKED * download, what: 'the packages' },
    { path: tmpdir(), bytes: download, what: 'downloading them' },
  ];
  requireSpace('the upgrade', needs, ['free some, and run it again; nothing was changed']);
}
