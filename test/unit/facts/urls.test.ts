import { describe, expect, it } from 'vitest';
import { databaseUrl, parseDatabaseUrl, readDatabaseUrl, whereOf } from '../../../src/facts/services/urls.ts';
import { settingsOf } from '../../kit/settings-of.ts';

describe('parseDatabaseUrl', () => {
  it.each([
    [
      'postgresql+psycopg2://user:p%40ss@db.example:6543/webui?sslmode=require',
      {
        scheme: 'postgresql',
        driver: 'psycopg2',
        user: 'user',
        password: 'p@ss',
        host: 'db.example',
        port: 6543,
      },
    ],
    [
      'postgres://root@127.0.0.1/test',
      { scheme: 'postgresql', user: 'root', host: '127.0.0.1', database: 'test' },
    ],
    // A URL parser would end the address at the slash or the hash.
    ['postgresql://u:a/b#c?d@h/n', { password: 'a/b#c?d', host: 'h', database: 'n' }],
    ['postgresql://u:100%@h/n', { password: '100%' }],
    ['postgresql://u@[::1]:5433/n', { host: '::1', port: 5433 }],
    ['postgresql:///n?host=/run/postgresql', { database: 'n' }],
    ['sqlite:////data/webui.db', { scheme: 'sqlite', database: '/data/webui.db' }],
  ])('%s', (url, parts) => expect(parseDatabaseUrl(url)).toMatchObject(parts));

  it.each(['', 'localhost', '/data/webui.db', 'postgresql://h:port/n', 'postgresql://h:99999/n'])(
    'refuses %j',
    (url) => expect(parseDatabaseUrl(url)).toBeUndefined(),
  );

  it('never shows the user or the password', () => {
    const url = parseDatabaseUrl('postgresql://alice:hunter2@db:6543/webui');
    expect(url && whereOf(url)).toBe('db:6543/webui');
  });
});

describe('databaseUrl', () => {
  it('puts the parts together as Open WebUI does, and only if all are there', () => {
    const parts = {
      DATABASE_URL: 'sqlite:///x',
      DATABASE_TYPE: 'postgresql',
      DATABASE_HOST: 'h',
      DATABASE_PORT: '1',
      DATABASE_NAME: 'n',
    };
    expect(databaseUrl(settingsOf({ ...parts, DATABASE_USER: 'u', DATABASE_PASSWORD: 'p' }))).toBe(
      'postgresql://u:p@h:1/n',
    );
    expect(databaseUrl(settingsOf(parts))).toBe('sqlite:///x');
    expect(databaseUrl(settingsOf({}))).toBeUndefined();
  });

  it.each([
    ['postgresql+asyncpg://u:hunter2@h/n', 'asyncpg'],
    ['hunter2', 'not a database URL'],
  ])('refuses %s without showing it', (url, reason) => {
    const read = () => readDatabaseUrl('DATABASE_URL', url);
    expect(read).toThrow(reason);
    expect(read).not.toThrow('hunter2');
  });
});
