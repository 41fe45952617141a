import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type BackupPlace,
  backUpDatabase,
  checkBackup,
  restoreBackup,
} from '../../../src/setup/upgrade/backup.ts';
import { chooseVersions, compareVersions, runningVersion } from '../../../src/setup/upgrade/versions.ts';
import { fakePackage } from '../../kit/open-webui-tables.ts';
import { settingsOf } from '../../kit/settings-of.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

describe('compareVersions', () => {
  it.each([
    ['0.12.4', '0.12.5', -1],
    ['0.12.10', '0.12.9', 1],
    ['0.13', '0.12.9', 1],
    ['0.12.4', '0.12.4', 0],
    ['0.13.0rc1', '0.13.0', -1],
    ['0.13.0', '0.13', 0],
  ])('%s, %s: %i', (a, b, sign) => expect(Math.sign(compareVersions(a, b))).toBe(sign));
});

describe('chooseVersions', () => {
  it.each([
    [
      { wanted: '0.12.5', installed: '0.12.4', running: '0.12.4' },
      { from: '0.12.4', to: '0.12.5', installed: false },
    ],
    [
      { wanted: '0.12.5', installed: '0.12.4', running: undefined },
      { from: '0.12.4', to: '0.12.5', installed: false },
    ],
    // pip was run by hand.
    [
      { wanted: undefined, installed: '0.12.5', running: '0.12.4' },
      { from: '0.12.4', to: '0.12.5', installed: true },
    ],
    [
      { wanted: '0.12.5', installed: '0.12.5', running: '0.12.4' },
      { from: '0.12.4', to: '0.12.5', installed: true },
    ],
  ])('%j', (found, expected) => expect(chooseVersions(found)).toEqual(expected));

  it.each([
    [{ wanted: undefined, installed: '0.12.4', running: '0.12.4' }, 'say which version'],
    [{ wanted: undefined, installed: '0.12.4', running: undefined }, 'say which version'],
    [{ wanted: '0.12.4', installed: '0.12.4', running: '0.12.4' }, 'runs already'],
    [{ wanted: '0.12.3', installed: '0.12.4', running: '0.12.4' }, 'do not go back'],
    [{ wanted: undefined, installed: '0.12.3', running: '0.12.4' }, 'do not go back'],
  ])('refuses %j', (found, reason) => expect(() => chooseVersions(found)).toThrow(reason));
});

describe('runningVersion', () => {
  it('is what a generation says', () => {
    const folder = temporaryFolder();
    expect(runningVersion(folder)).toBeUndefined();
    expect(runningVersion(join(folder, 'missing'))).toBeUndefined();
    mkdirSync(join(folder, 'generation-a'));
    expect(runningVersion(folder)).toBeUndefined();
    writeFileSync(join(folder, 'generation-a', 'version'), '0.12.4');
    expect(runningVersion(folder)).toBe('0.12.4');
  });
});

describe('backUpDatabase', () => {
  const placeOf = (place: Partial<BackupPlace>): BackupPlace => ({
    settings: settingsOf({}),
    dataDir: '/',
    folder: '/',
    python: 'python3',
    env: process.env,
    services: '/',
    ...place,
  });
  const sql = (path: string, script: string) =>
    execFileSync('python3', [
      '-c',
      'import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).executescript(sys.argv[2]) and "")',
      path,
      script,
    ]);
  const tables = (path: string) =>
    execFileSync('python3', [
      '-c',
      'import sqlite3, sys; print(*sorted(r[0] for r in sqlite3.connect(sys.argv[1]).execute("SELECT name FROM sqlite_master")))',
      path,
    ])
      .toString()
      .trim();

  it('puts SQLite back as it was, what is in its write-ahead log too', async () => {
    const [dataDir, folder] = [temporaryFolder(), temporaryFolder()];
    const database = join(dataDir, 'webui.db');
    sql(database, 'PRAGMA journal_mode=WAL; CREATE TABLE a (n int); INSERT INTO a VALUES (1);');
    const place = placeOf({ dataDir, folder });
    const backup = await backUpDatabase(place);
    expect(backup.path).toBe(join(folder, 'webui.db'));
    sql(database, 'CREATE TABLE half (n int); DROP TABLE a;');
    await restoreBackup(backup, place);
    expect(tables(database)).toBe('a');
  });

  it('says what it cannot copy, and where', async () => {
    const [dataDir, folder] = [join(temporaryFolder(), 'missing'), temporaryFolder()];
    await expect(backUpDatabase(placeOf({ dataDir, folder }))).rejects.toThrow(
      `${join(dataDir, 'webui.db')} cannot be copied to ${join(folder, 'webui.db')}`,
    );
  });

  it.each([
    ['before it is made', checkBackup],
    ['while it is made', backUpDatabase],
  ])('never names the password of a PostgreSQL that does not answer, %s', async (_, run) => {
    const settings = settingsOf({ DATABASE_URL: "postgresql://u:hunter2@127.0.0.1:1/it's" });
    const folder = temporaryFolder();
    const { message } = await run(placeOf({ settings, folder, env: fakePackage(folder) })).then(
      () => new Error('it is not noticed'),
      (error: Error) => error,
    );
    expect(message).toMatch(/^psql failed/);
    expect(message).not.toContain('hunter2');
  });
});
