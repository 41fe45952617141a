import { dirname, join } from 'node:path';
import { requireSpace } from '../../base/io/disk-space.ts';
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
  requireSpace(
    'the backup',
    [
      { path: dirname(unfinished), bytes: dump + files, what: 'its file' },
      { path: dirname(folder), bytes: dump, what: 'the dump of the database' },
    ],
    ['free some, or write it to another disk; nothing was changed'],
  );
}
