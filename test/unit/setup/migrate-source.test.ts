/** Where the data of a migration is, what is refused, and the files that go with it. */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { copyFiles, sizeOfFiles } from '../../../src/setup/migrate/files.ts';
import { findOldKey } from '../../../src/setup/migrate/key.ts';
import {
  refuseConflicts,
  refuseKeyElsewhere,
  refuseRunningTarget,
  requireCarriable,
} from '../../../src/setup/migrate/refusals.ts';
import { findSource, signatureOf } from '../../../src/setup/migrate/source.ts';
import { settingsOf } from '../../kit/settings-of.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

const SQLITE = 'SQLite format 3\0and more';

describe('the source', () => {
  function setUp() {
    const files = { 'webui.db': SQLITE, 'other.db': SQLITE, 'text.db': 'words', 'empty.db': '' };
    const folder = temporaryFolder(files);
    const find = (from: string | undefined, url?: string) =>
      findSource(from, {
        settings: settingsOf(url === undefined ? {} : { DATABASE_URL: url.replace('FOLDER', folder) }),
        dataDir: folder,
        cwd: folder,
      });
    return { folder, find };
  }

  it.each([
    [undefined, undefined, 'webui.db'],
    [undefined, 'sqlite:///FOLDER/other.db', 'other.db'],
    // It goes to that PostgreSQL.
    [undefined, 'postgresql://user:password@host/name', 'webui.db'],
    ['.', undefined, 'webui.db'],
    ['other.db', undefined, 'other.db'],
  ])('--from %s with DATABASE_URL=%s is %s', (from, url, name) => {
    const { folder, find } = setUp();
    expect(find(from, url)).toEqual({ database: join(folder, name), dataDir: folder });
  });

  it.each([
    ['missing', 'does not exist'],
    ['text.db', 'is not an SQLite database'],
    ['empty.db', 'is empty'],
  ])('is not %s, which %s', (from, problem) => {
    expect(() => setUp().find(from)).toThrow(problem);
  });

  it('is told to have been written by its files', () => {
    const path = join(setUp().folder, 'webui.db');
    const before = signatureOf(path);
    writeFileSync(`${path}-shm`, 'not data');
    writeFileSync(`${path}-wal`, '');
    expect(signatureOf(path)).toBe(before);
    writeFileSync(`${path}-wal`, 'a row');
    expect(signatureOf(path)).not.toBe(before);
  });
});

describe('a migration refuses', () => {
  const source = { database: '/data/webui.db', dataDir: '/data' };
  const look = (change: object) => ({
    revision: 'a',
    version: 'current' as const,
    tables: [{ name: 'user', rows: 1, bytes: 1 }],
    bytes: 1,
    wal_bytes: 0,
    corrupt: [],
    problems: {},
    seconds: 1,
    outage_seconds: 1,
    upgrade_seconds: 1,
    ...change,
  });

  it.each([
    [{ version: 'none' }, 'is not a database of Open WebUI'],
    [{ tables: [] }, 'is not a database of Open WebUI'],
    [{ version: 'newer' }, 'was written by a newer Open WebUI'],
    [{ corrupt: ['row 7 missing from index'] }, 'is damaged:\n  row 7 missing'],
  ])('%j', (change, problem) => {
    expect(() => requireCarriable(source, look(change))).toThrow(problem);
  });

  it('no version that it can carry', () => {
    for (const version of ['current', 'older']) requireCarriable(source, look({ version }));
  });

  it('settings of the user that would lead away from the new database', () => {
    const wanted = new Map([['VECTOR_DB', 'pgvector']]);
    const refuse = (settings: Record<string, string>, from: 'env file' | 'secrets file') =>
      refuseConflicts(settingsOf(settings, from), wanted, source, '/etc/open-webui.env');
    expect(() => refuse({ VECTOR_DB: 'chroma' }, 'env file')).toThrow(
      'VECTOR_DB is set in /etc/open-webui.env, and would lead away',
    );
    refuse({ VECTOR_DB: 'pgvector' }, 'env file');
    // Those of our own file are replaced.
    refuse({ VECTOR_DB: 'chroma' }, 'secrets file');
  });

  it('a key that is not the old server’s, where ours would not win', () => {
    const key = { value: 'old', where: '/data/.webui_secret_key' };
    const refuse = (value: string, from: 'env file' | 'secrets file') =>
      refuseKeyElsewhere(key, settingsOf({ WEBUI_SECRET_KEY: value }, from));
    expect(() => refuse('new', 'env file')).toThrow('is not the key of the old server (/data/');
    refuse('old', 'env file');
    refuse('new', 'secrets file');
  });

  it('a target that is in use', () => {
    const online = { status: 'online', restart_time: 0, axm_monitor: {} };
    const running = [{ name: 'open-webui', pm_id: 1, pm2_env: online }];
    expect(() => refuseRunningTarget(source, '/other', running)).toThrow('PM2 runs another Open WebUI');
    refuseRunningTarget(source, '/data', running);
    refuseRunningTarget(source, '/other', []);
  });
});

describe('the key of the old server', () => {
  const find = (files: Record<string, string>, set: string | undefined, hasOurSettings: boolean) => {
    const folder = temporaryFolder({ 'work/x': '', 'old/data/webui.db': '', ...files });
    return findOldKey({
      source: { database: join(folder, 'old', 'data', 'webui.db'), dataDir: join(folder, 'old', 'data') },
      holders: [],
      settings: settingsOf(set === undefined ? {} : { WEBUI_SECRET_KEY: set }),
      hasOurSettings,
      cwd: join(folder, 'work'),
    })?.value;
  };
  const drawn = { 'old/.webui_secret_key': 'drawn\n' };

  it.each([
    ['drawn beside its data, as it is', drawn, undefined, false, 'drawn\n'],
    ['drawn, before what is set for another one', drawn, 'set', false, 'drawn\n'],
    ['set, where it runs with these settings', drawn, 'set', true, 'set'],
    ['what was taken out of a container', { 'work/.webui_secret_key': 'taken' }, 'set', false, 'taken'],
    ['set, where there is nothing else', {}, 'set', false, 'set'],
    ['unknown', {}, undefined, false, undefined],
  ])('is %s', (_, files, set, hasOurSettings, expected) => {
    expect(find(files as Record<string, string>, set, hasOurSettings)).toBe(expected);
  });
});

describe('the files', () => {
  function setUp() {
    const from = temporaryFolder({
      'webui.db': SQLITE,
      'webui.db-wal': '',
      '.webui-tune.env': 'SECRET="x"',
      'vector_db/chroma.sqlite3': SQLITE,
      'uploads/a.txt': 'one',
      'uploads/b.txt': 'two',
      'cache/image/c.png': 'three',
    });
    return { from, to: temporaryFolder({}) };
  }

  it('are all but the database, the vectors and our own', () => {
    const { from, to } = setUp();
    expect(sizeOfFiles(from)).toEqual({ files: 3, bytes: 11 });
    expect(copyFiles(from, to)).toEqual({ files: 3, bytes: 11, deleted: 0 });
    expect(readdirSync(to, { recursive: true }).sort()).toEqual(
      ['cache', 'cache/image', 'cache/image/c.png', 'uploads', 'uploads/a.txt', 'uploads/b.txt'].sort(),
    );
    expect(readFileSync(join(to, 'uploads', 'a.txt'), 'utf8')).toBe('one');
  });

  it('are copied again only where they differ, and deleted where they are gone', () => {
    const { from, to } = setUp();
    for (const path of ['uploads/a.txt', 'uploads/b.txt', 'cache/image/c.png'])
      utimesSync(join(from, path), 9, 9);
    copyFiles(from, to);
    const copied = statSync(join(to, 'uploads', 'b.txt')).ctimeMs;
    rmSync(join(from, 'uploads', 'a.txt'));
    writeFileSync(join(from, 'cache', 'image', 'c.png'), 'fours');
    // A copy that was cut short: the same length, another time.
    mkdirSync(join(to, 'cache', 'audio'));
    writeFileSync(join(to, 'cache', 'audio', 'stray'), '');
    expect(copyFiles(from, to).deleted).toBe(2);
    expect(readFileSync(join(to, 'cache', 'image', 'c.png'), 'utf8')).toBe('fours');
    expect(statSync(join(to, 'uploads', 'b.txt')).ctimeMs).toBe(copied);
    utimesSync(join(to, 'uploads', 'b.txt'), 1, 1);
    writeFileSync(join(to, 'uploads', 'b.txt'), 'xxx');
    copyFiles(from, to);
    expect(readFileSync(join(to, 'uploads', 'b.txt'), 'utf8')).toBe('two');
  });

  it('are copied again where they were just written, and could have changed within the same tick of the clock', () => {
    const { from, to } = setUp();
    copyFiles(from, to);
    const written = statSync(join(from, 'uploads', 'b.txt'));
    writeFileSync(join(from, 'uploads', 'b.txt'), 'six');
    utimesSync(join(from, 'uploads', 'b.txt'), written.atime, written.mtime);
    copyFiles(from, to);
    expect(readFileSync(join(to, 'uploads', 'b.txt'), 'utf8')).toBe('six');
  });
});
