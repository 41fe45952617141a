import { describe, expect, it } from 'vitest';
import type { DatabaseFacts } from '../../../src/facts/types.ts';
import { makePlan } from '../../../src/plan/index.ts';
import { inputOf, SERVICES } from '../../kit/inputs.ts';
import { settingsOf } from '../../kit/settings-of.ts';

describe('settings in Open WebUI’s database', () => {
  const stored = (value: string, settings: Record<string, string>) =>
    makePlan(
      inputOf({
        settings: settingsOf(settings, 'env file'),
        services: {
          ...SERVICES,
          database: { ...SERVICES.database, stored: { 'rag.embedding_engine': value } } as DatabaseFacts,
        },
      }),
    );

  it('win over the environment, and the report says so', () => {
    const plan = stored('', { RAG_EMBEDDING_ENGINE: 'openai' });
    expect(plan.warnings.join()).toContain('RAG_EMBEDDING_ENGINE (env file) has no effect');
    expect(plan.memory.level).toBe('full');
  });

  it('are read in SQLite as well', () => {
    const database: DatabaseFacts = { kind: 'sqlite', stored: { 'rag.embedding_engine': '' } };
    const plan = makePlan(
      inputOf({
        settings: settingsOf({ RAG_EMBEDDING_ENGINE: 'openai', CHROMA_HTTP_HOST: 'chroma' }, 'env file'),
        services: { ...SERVICES, database },
      }),
    );
    expect(plan.warnings.join()).toContain('RAG_EMBEDDING_ENGINE (env file) has no effect');
    expect(plan.memory.level).toBe('full');
  });

  it('are nothing to warn of where they agree, or do not count', () => {
    expect(stored('openai', { RAG_EMBEDDING_ENGINE: 'openai' }).warnings).toEqual([]);
    expect(stored('openai', {}).memory.level).toBe('lean');
    const off = stored('', { RAG_EMBEDDING_ENGINE: 'openai', ENABLE_PERSISTENT_CONFIG: 'false' });
    expect(off.warnings).toEqual([]);
    expect(off.memory.level).toBe('lean');
  });
});
