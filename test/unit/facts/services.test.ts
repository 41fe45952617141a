import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { askServices } from '../../../src/facts/services/index.ts';
import { ANSWER_TIMEOUT } from '../../../src/facts/services/timeout.ts';
import { crowding } from '../../kit/crowding.ts';
import { freePort, listenOnLoopback } from '../../kit/ports.ts';
import { settingsOf } from '../../kit/settings-of.ts';

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
    // All are asked at once.
    expect(Date.now() - started).toBeLessThan(1.6 * ANSWER_TIMEOUT * crowding());
    expect(database).toMatchObject({ answer: { up: false } });
    expect(redis).toMatchObject({ answer: { up: false } });
  });
});
