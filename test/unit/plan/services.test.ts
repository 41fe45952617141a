import { describe, expect, it } from 'vitest';
import { GIB } from '../../../src/base/units.ts';
import type { ServiceFacts } from '../../../src/facts/types.ts';
import { makePlan } from '../../../src/plan/index.ts';
import type { PlanInput } from '../../../src/plan/input.ts';
import { DOWN, inputOf, machineOf, SERVICES } from '../../kit/inputs.ts';
import { settingOf } from '../../kit/plans.ts';
import { settingsOf } from '../../kit/settings-of.ts';

describe('one worker only', () => {
  const without = (change: Partial<ServiceFacts>) => ({ services: { ...SERVICES, ...change } });

  it.each<[string, Partial<PlanInput>, string, string]>([
    ['SQLite', without({ database: { kind: 'sqlite' } }), 'PostgreSQL', 'DATABASE_URL='],
    ['another database', without({ database: { kind: 'other', scheme: 'mysql' } }), 'mysql', 'DATABASE_URL='],
    ['no Redis', without({ redis: { kind: 'none' } }), 'Redis', 'REDIS_URL='],
    [
      'a Redis that nobody set',
      without({ redis: { kind: 'none', found: 'redis://x' } }),
      'answers at redis://x',
      'REDIS_URL=redis://x',
    ],
    [
      'Redis down',
      without({ redis: { kind: 'redis', where: 'r:6379', answer: DOWN } }),
      'ECONNREFUSED',
      'run webui-tune again',
    ],
    [
      'PostgreSQL down',
      without({ database: { kind: 'postgresql', where: 'd/n', answer: DOWN } }),
      'ECONNREFUSED',
      'run webui-tune again',
    ],
    ['local Chroma', { settings: settingsOf({ VECTOR_DB: 'chroma' }) }, 'vector store', 'CHROMA_HTTP_HOST='],
    [
      'documents in local Chroma',
      { hasLocalVectors: true },
      'documents are in the local Chroma folder',
      'CHROMA_HTTP_HOST=',
    ],
    ['Milvus in a file', { settings: settingsOf({ VECTOR_DB: 'milvus' }) }, 'milvus', 'MILVUS_URI='],
    ['another manager', { settings: settingsOf({ WEBSOCKET_MANAGER: '' }) }, 'WEBSOCKET_MANAGER', 'redis'],
    [
      'no WebSockets',
      { settings: settingsOf({ ENABLE_WEBSOCKET_SUPPORT: 'false' }) },
      'ENABLE_WEBSOCKET_SUPPORT',
      'True',
    ],
  ])('with %s, and says what is missing and what to set', (_, overrides, problem, mend) => {
    const plan = makePlan(inputOf(overrides));
    expect(plan).toMatchObject({ workers: 1, limitedBy: 'services', bounds: { services: 1, cores: 4 } });
    const warning = plan.warnings.find((text) => text.includes(problem));
    expect(warning).toContain(mend);
    expect(warning).toContain('one worker');
  });

  it('names all that is missing', () => {
    const services: ServiceFacts = { database: { kind: 'sqlite' }, redis: { kind: 'none' } };
    const { warnings } = makePlan(inputOf({ services }));
    expect(warnings).toHaveLength(3);
  });

  it('is nothing to warn of where one is all there would be', () => {
    const services: ServiceFacts = { database: { kind: 'sqlite' }, redis: { kind: 'none' } };
    expect(makePlan(inputOf({ services, machine: machineOf(1, 4 * GIB) })).warnings).toEqual([]);
    expect(
      makePlan(inputOf({ services, workers: { value: 1, from: 'w', source: 'flag' } })).warnings,
    ).toEqual([]);
  });

  it.each<[string, Partial<PlanInput>]>([
    ['a Chroma server', { settings: settingsOf({ CHROMA_HTTP_HOST: '127.0.0.1' }), hasLocalVectors: true }],
    ['pgvector', { settings: settingsOf({ VECTOR_DB: 'pgvector' }) }],
    ['Qdrant', { settings: settingsOf({ VECTOR_DB: 'qdrant' }) }],
    ['a Milvus server', { settings: settingsOf({ VECTOR_DB: 'milvus', MILVUS_URI: 'http://m:19530' }) }],
  ])('is not so with %s', (_, overrides) => expect(makePlan(inputOf(overrides)).workers).toBe(4));
});

describe('pgvector', () => {
  const database = (vector: 'installed' | 'creatable' | 'superuser-only' | 'missing') =>
    inputOf({
      services: {
        ...SERVICES,
        database: { kind: 'postgresql', where: 'd/n', answer: { up: true, version: '15' }, vector },
      },
    });

  it.each(['installed', 'creatable'] as const)('is chosen where it is %s', (vector) => {
    const plan = makePlan(database(vector));
    expect(settingOf(plan, 'VECTOR_DB')).toMatchObject({
      value: 'pgvector',
      source: 'computed',
      rendered: true,
    });
    expect(plan.workers).toBe(4);
  });

  it.each([
    ['superuser-only', 'CREATE EXTENSION vector'],
    ['missing', 'install the pgvector extension'],
  ] as const)('is not where it is %s', (vector, mend) => {
    const plan = makePlan(database(vector));
    expect(settingOf(plan, 'VECTOR_DB')).toBeUndefined();
    expect(plan.warnings.join()).toContain(mend);
  });

  it('is not where the Python package is missing, or documents would be lost from sight', () => {
    const drivers = { psycopg2: true, pgvector: false };
    const bare = makePlan(inputOf({ openWebui: { version: '0.12.4', python: '3.11.7', drivers } }));
    expect(settingOf(bare, 'VECTOR_DB')).toBeUndefined();
    expect(bare.warnings.join()).toContain("pip install 'open-webui[postgres]'");
    expect(settingOf(makePlan(inputOf({ hasLocalVectors: true })), 'VECTOR_DB')).toBeUndefined();
  });
});
