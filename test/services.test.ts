import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { GIB, MIB } from '../src/base/units.ts';
import { askOllama, isLocalHost, ollamaOf, postgresOf, redisOf } from '../src/facts/services/colocated.ts';
import { askServices } from '../src/facts/services/index.ts';
import { parseRedisUrl } from '../src/facts/services/redis.ts';
import { reasonOf, within } from '../src/facts/services/timeout.ts';
import { databaseUrl, parseDatabaseUrl, readDatabaseUrl, whereOf } from '../src/facts/services/urls.ts';
import { freePort, listenOnLoopback } from './kit/ports.ts';
import { settingsOf } from './settings-of.ts';

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

describe('parseRedisUrl', () => {
  it.each(['redis://h', 'rediss://:p@h:6380/1', 'unix:///run/redis.sock'])('takes %s', (url) =>
    expect(parseRedisUrl('REDIS_URL', url).href).toContain(url),
  );

  it.each(['127.0.0.1:6379', 'localhost', 'http://h', 'hunter2', 'hunter2:x'])(
    'refuses %s without showing it',
    (url) => {
      const parse = () => parseRedisUrl('REDIS_URL', url);
      expect(parse).toThrow(/REDIS_URL (?:is not a URL|does not begin)/);
      expect(parse).not.toThrow('hunter2');
    },
  );
});

describe('services on this machine', () => {
  it.each(['localhost', '127.0.0.1', '127.8.8.8', '::1', '[::1]', '/run/postgresql', ''])('%j is', (host) =>
    expect(isLocalHost(host)).toBe(true),
  );

  it.each(['10.0.0.1', 'postgres', '127.0.0.1.example.org', '0.0.0.0'])('%j is not certain to be', (host) =>
    expect(isLocalHost(host)).toBe(false),
  );

  it('PostgreSQL: no more than there is data', () => {
    expect(postgresOf('w', GIB, 10 * MIB).bytes).toBe(36 * MIB);
    expect(postgresOf('w', 128 * MIB, GIB).bytes).toBe(128 * MIB);
  });

  it('Redis: up to maxmemory', () => {
    expect(redisOf('w', 10 * MIB, 100 * MIB).bytes).toBe(90 * MIB);
    expect(redisOf('w', 40 * MIB, 0).bytes).toBe(40 * MIB);
  });

  it('Ollama: the model that is not loaded yet, unless a graphics card takes it', () => {
    const [small, large] = [
      { name: 's', size: GIB },
      { name: 'l', size: 4 * GIB },
    ];
    expect(ollamaOf('w', [], [small, large])).toMatchObject({ bytes: 4 * GIB, cpuShare: 0.25 });
    expect(ollamaOf('w', [large], [small, large])).toMatchObject({ bytes: 0, cpuShare: 0.25 });
    expect(ollamaOf('w', [{ ...large, size_vram: 1 }], [large])).toMatchObject({ bytes: 0, cpuShare: 0 });
    expect(ollamaOf('w', [], [])).toMatchObject({ bytes: 0, cpuShare: 0 });
  });
});

describe('askOllama', () => {
  const ask = async (answer: (path: string) => string | undefined) => {
    const server = createHttpServer(({ url = '' }, response) => {
      const text = answer(url);
      if (text !== undefined) response.end(text);
    });
    const port = await listenOnLoopback(server);
    try {
      return await askOllama(settingsOf({ OLLAMA_BASE_URL: `http://127.0.0.1:${port}` }));
    } finally {
      server.closeAllConnections();
      server.close();
    }
  };
  const model = { name: 'llama', size: 4 * GIB };

  it('asks which models are loaded and which are there', async () => {
    const found = await ask((path) => JSON.stringify({ models: path === '/api/tags' ? [model] : [] }));
    expect(found).toMatchObject({ name: 'Ollama', bytes: 4 * GIB, reason: expect.stringContaining('llama') });
  });

  it.each([
    ['says nothing', undefined],
    ['is no Ollama', 'hello'],
    ['has no list of models', '{}'],
  ])('takes what %s for none', async (_, text) => expect(await ask(() => text)).toBeUndefined());

  it('looks for none elsewhere', async () =>
    expect(await askOllama(settingsOf({ OLLAMA_BASE_URL: 'http://ollama:11434' }))).toBeUndefined());
});

describe('askServices', () => {
  it('knows what is not configured', async () => {
    const { database, redis, chroma } = await askServices(settingsOf({}));
    expect(database).toEqual({ kind: 'sqlite' });
    expect(redis.kind).toBe('none');
    expect(chroma).toBeUndefined();
  });

  it('says that a configured service does not answer, and where', async () => {
    const port = await freePort();
    const { database, redis, chroma } = await askServices(
      settingsOf({
        DATABASE_URL: `postgresql://u:hunter2@127.0.0.1:${port}/n`,
        REDIS_URL: `redis://:hunter2@127.0.0.1:${port}/0`,
        CHROMA_HTTP_HOST: '127.0.0.1',
        CHROMA_HTTP_PORT: String(port),
      }),
    );
    const answer = { up: false, reason: expect.stringContaining('ECONNREFUSED') };
    expect(database).toEqual({ kind: 'postgresql', where: `127.0.0.1:${port}/n`, answer });
    expect(redis).toEqual({ kind: 'redis', where: `127.0.0.1:${port}`, answer });
    expect(chroma).toEqual({ where: `127.0.0.1:${port}`, answer });
    expect(JSON.stringify([database, redis, chroma])).not.toContain('hunter2');
  });

  it('does not wait for a service that accepts and says nothing', async () => {
    const server = createServer(() => {});
    const port = await listenOnLoopback(server);
    const started = Date.now();
    const { database, redis } = await askServices(
      settingsOf({
        DATABASE_URL: `postgresql://u@127.0.0.1:${port}/n`,
        REDIS_URL: `redis://127.0.0.1:${port}`,
      }),
    );
    server.close();
    expect(Date.now() - started).toBeLessThan(4_000);
    expect(database).toMatchObject({ answer: { up: false } });
    expect(redis).toMatchObject({ answer: { up: false } });
  });
});

describe('within', () => {
  it('gives up', async () => {
    await expect(within(5, new Promise(() => {}))).rejects.toThrow('no answer');
    await expect(within(1000, Promise.resolve(1))).resolves.toBe(1);
  });

  it('finds the reason in what Node makes of several addresses', () =>
    expect(reasonOf(new AggregateError([new Error('refused\nmore')]))).toBe('refused'));
});
