/** Uploads that are in S3: backed up, restored into another bucket, and missed aloud. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Interrupts } from '../../src/base/io/interrupts.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { MIB } from '../../src/base/units.ts';
import { unpack } from '../../src/setup/backup/archive.ts';
import { type BackupSource, backupJob, lackingIn } from '../../src/setup/backup/create.ts';
import { findObjectStore, readObjects, uploadsElsewhere } from '../../src/setup/backup/objects.ts';
import { restoreJob } from '../../src/setup/backup/restore.ts';
import { runJob } from '../../src/setup/journal/job.ts';
import { Journal } from '../../src/setup/journal/journal.ts';
import { openWebuiEnvironment } from '../kit/environment.ts';
import { ObjectServer } from '../kit/object-store.ts';
import { databaseAt, makeTables, openDatabase, sourceOf } from '../kit/open-webui-tables.ts';
import { settingsOf } from '../kit/settings-of.ts';
import { useScope } from '../kit/vitest.ts';

const TIMEOUT_MS = 180_000;
const scope = useScope();
const uninterrupted: Interrupts = { allow: (work) => work() };

async function place() {
  const folder = await temporaryFolder(scope, 'objects');
  const uploads = join(folder, 'uploads');
  mkdirSync(uploads);
  const { url, client } = await openDatabase(scope);
  await makeTables(client);
  const database = await databaseAt(sourceOf(url, folder));
  const context = { journal: new Journal(folder), interrupts: uninterrupted, tell: () => {} };
  const sourceWith = (settings: Record<string, string>): BackupSource => {
    const objects = findObjectStore(settingsOf(settings), openWebuiEnvironment().python, {
      PATH: process.env.PATH,
    });
    const secretsFile = join(folder, 'secrets.env');
    return { database, openWebui: '0.12.4', uploads, secretsFile, key: 'k', ...(objects && { objects }) };
  };
  const file = join(folder, 'b.tar');
  const work = { folder: join(folder, 'work'), unfinished: join(folder, '.b') };
  const backUp = (source: BackupSource) =>
    runJob(
      backupJob(async () => source, 'the backup'),
      { file, ...work },
      context,
    );
  const service = { stop: async () => {}, start: async () => {} };
  const restore = (source: BackupSource) =>
    runJob(
      restoreJob({ source: async () => source, service }, 'the restore'),
      { file, uploads, ran: false, kept: join(folder, 'kept.tar') },
      context,
    );
  return { folder, uploads, client, file, sourceWith, backUp, restore };
}

it(
  'keeps the objects that the database names, and no other, and brings them into another bucket',
  async () => {
    const { folder, uploads, client, file, sourceWith, backUp, restore } = await place();
    const store = await ObjectServer.start(scope, { S3_KEY_PREFIX: 'chat' });
    store.put('chat/a_notes.txt', 'words');
    store.put('chat/b_ü ö.txt', '');
    store.fill('chat/c_large', 3_000_000);
    for (const key of Object.keys(store.contents())) {
      await client.query('INSERT INTO file VALUES ($1, $2)', [key, `s3://uploads/${key}`]);
    }
    store.put('theirs', 'of another program');
    await client.query(`INSERT INTO file VALUES ('gone', 's3://uploads/chat/gone')`);
    // The copy that Open WebUI has of an object, and a file from before.
    writeFileSync(join(uploads, 'a_notes.txt'), 'words');
    writeFileSync(join(uploads, 'f1_notes.txt'), 'earlier');
    const before = store.contents();
    const source = sourceWith(store.settings);
    const done = await backUp(source);
    expect(done).toMatchObject({ uploads: 4, missing: 1 });
    expect(lackingIn(done, source)).toMatch(/^1 upload of the database is not in the bucket uploads at 127/);

    const unpacked = join(folder, 'unpacked');
    mkdirSync(unpacked);
    await unpack(file, unpacked);
    expect(existsSync(join(unpacked, 'uploads', 'a_notes.txt'))).toBe(false);

    const other = await ObjectServer.start(scope, { S3_BUCKET_NAME: 'elsewhere' });
    other.put('chat/a_notes.txt', 'words');
    await client.query('DELETE FROM file');
    await restore(sourceWith(other.settings));
    const { theirs: _, ...ours } = before;
    expect(other.contents()).toEqual(ours);
    expect((await client.query('SELECT count(*)::int AS n FROM file')).rows).toEqual([{ n: 5 }]);
    expect(store.contents()).toEqual(before);
  },
  TIMEOUT_MS,
);

it(
  'refuses to restore where there is no object store, and fails where the store fails, with nothing changed',
  async () => {
    const { client, file, sourceWith, backUp, restore } = await place();
    const store = await ObjectServer.start(scope);
    store.put('a_notes.txt', 'words');
    await client.query(`INSERT INTO file VALUES ('a', 's3://uploads/a_notes.txt')`);
    const wrong = sourceWith({ ...store.settings, S3_SECRET_ACCESS_KEY: 'another' });
    await expect(backUp(wrong)).rejects.toThrow(/the bucket uploads at 127.0.0.1:\d+ cannot be read/);
    expect(existsSync(file)).toBe(false);
    await backUp(sourceWith(store.settings));
    await client.query('DELETE FROM file');
    await expect(restore(sourceWith({}))).rejects.toThrow('STORAGE_PROVIDER is not s3 here');
    expect((await client.query('SELECT count(*)::int AS n FROM file')).rows).toEqual([{ n: 0 }]);
  },
  TIMEOUT_MS,
);

it('streams a large object, which takes no memory of ours', { timeout: TIMEOUT_MS }, async () => {
  const store = await ObjectServer.start(scope);
  store.fill('large', 256 * MIB);
  const objects = findObjectStore(settingsOf(store.settings), openWebuiEnvironment().python, {
    PATH: process.env.PATH,
  });
  if (!objects) throw new Error('there is no object store');
  const before = process.memoryUsage().rss;
  let [bytes, most] = [0, 0];
  async function* keys() {
    yield 'large';
  }
  for await (const { size, content } of readObjects(objects, keys(), () => {})) {
    expect(size).toBe(256 * MIB);
    for await (const part of content) {
      bytes += part.length;
      most = Math.max(most, process.memoryUsage().rss);
    }
  }
  expect(bytes).toBe(256 * MIB);
  expect(most - before).toBeLessThan(64 * MIB);
});

it('says what no backup holds', () => {
  const elsewhere = (settings: Record<string, string>) => uploadsElsewhere(settingsOf(settings));
  expect(elsewhere({ STORAGE_PROVIDER: 'gcs', GCS_BUCKET_NAME: 'b' })).toContain('gs://b FOLDER');
  expect(elsewhere({ STORAGE_PROVIDER: 'azure', AZURE_STORAGE_CONTAINER_NAME: 'c' })).toContain(
    'container c',
  );
  expect(elsewhere({ STORAGE_PROVIDER: 's3' })).toBeUndefined();
  expect(elsewhere({})).toBeUndefined();
});
