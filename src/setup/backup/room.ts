import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { freeBytes, requireDiskSpace } from '../../base/io/disk-space.ts';
import { statOrUndefined } from '../../base/io/stat.ts';
import { makePrivateFolder } from '../../base/io/write.ts';
import { filesBelow } from './archive.ts';
import type { BackupSource, BackupWork } from './create.ts';
import { tablesSize } from './database.ts';

/**
 * Throws TuneError where a backup will not fit: the dump is written first, then packed with the uploads. A dump is compressed,
 * and without indexes: it takes no more than the tables.
 */
export async function requireRoom({ database, uploads }: BackupSource, { folder, unfinished }: BackupWork) {
  const dump = await tablesSize(database);
  let files = 0;
  for await (const name of filesBelow(uploads)) files += statOrUndefined(join(uploads, name))?.size ?? 0;
  makePrivateFolder(dirname(folder));
  const [work, target] = [dirname(folder), dirname(unfinished)];
  const isOneDisk = statSync(work).dev === statOrUndefined(target)?.dev;
  const mend = ['free some, or write it to another disk; nothing was changed'];
  if (!isOneDisk) requireDiskSpace(work, dump, 'the dump of the database', freeBytes(work), mend);
  const all = (isOneDisk ? 2 : 1) * dump + files;
  requireDiskSpace(target, all, 'a backup', freeBytes(target), mend);
}
