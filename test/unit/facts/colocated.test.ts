import { createServer as createHttpServer } from 'node:http';
import { describe, expect, it } from 'vitest';
import { GIB, MIB } from '../../../src/base/units.ts';
import {
  askOllama,
  isOnThisMachine,
  ollamaOf,
  postgresOf,
  redisOf,
} from '../../../src/facts/services/colocated.ts';
import { listenOnLoopback } from '../../kit/ports.ts';
import { settingsOf } from '../../kit/settings-of.ts';

describe('services on this machine', () => {
  it.each(['localhost', '127.0.0.1', '127.8.8.8', '::1', '[::1]', '/run/postgresql', ''])('%j is', (host) =>
    expect(isOnThisMachine(host)).toBe(true),
  );

  it.each(['10.0.0.1', 'postgres', '127.0.0.1.example.org', '0.0.0.0'])('%j is not certain to be', (host) =>
    expect(isOnThisMachine(host)).toBe(false),
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
