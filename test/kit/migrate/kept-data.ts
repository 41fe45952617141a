/** Data that a real server of an older version made: its DATA_DIR, as `npm run data:older` keeps it in test/data. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { openWebuiEnvironment, ROOT } from '../environment.ts';

export const OLDER_VERSIONS = ['0.9.6', '0.11.4'];

const archiveOf = (version: string) => join(ROOT, 'test', 'data', `open-webui-${version}.tar.xz`);

/** What is no data. SQLite's log is: the server does not fold it into the file as it ends. */
const LEFT_OUT = ['./cache', './audit.log', './webui.db-shm'];

/** Keeps the folder of a server that was stopped. */
export async function keepData(version: string, dataDir: string): Promise<string> {
  const archive = archiveOf(version);
  await mkdir(join(ROOT, 'test', 'data'), { recursive: true });
  await rm(archive, { force: true });
  const owner = ['--owner=0', '--group=0', '--numeric-owner', '--sort=name'];
  const left = LEFT_OUT.map((path) => `--exclude=${path}`);
  await execa('tar', ['--create', '--xz', '--file', archive, ...owner, ...left, '--directory', dataDir, '.']);
  return archive;
}

/** Makes the folder. People and settings: `people.ts`. */
export async function unpackData(version: string, dataDir: string): Promise<void> {
  await mkdir(dataDir, { recursive: true });
  await execa('tar', ['--extract', '--file', archiveOf(version), '--no-same-owner', '--directory', dataDir]);
}

/** Rows of files name the folder of the server that made them: sys.argv[2] takes its place. */
const NAME_UPLOADS = `
import os, sqlite3, sys
with sqlite3.connect(sys.argv[1]) as database:
    for id, path in database.execute("SELECT id, path FROM file WHERE path IS NOT NULL").fetchall():
        database.execute("UPDATE file SET path = ? WHERE id = ?", (os.path.join(sys.argv[2], os.path.basename(path)), id))
`;

/** Has a copy of a data folder know where it is now. */
export async function nameUploads(dataDir: string): Promise<void> {
  const { python } = openWebuiEnvironment();
  await execa(python, ['-c', NAME_UPLOADS, join(dataDir, 'webui.db'), join(dataDir, 'uploads')]);
}
