import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { neededModels } from '../../../src/facts/openwebui/needed-models.ts';
import { storedUnless } from '../../../src/plan/persisted.ts';
import { ROOT } from '../../kit/environment.ts';

interface Case {
  what: string;
  settings: Record<string, string>;
  stored: Record<string, string>;
  embedding: string;
  reranker: string;
}

/** test/preload/services/engines_test.py asks the preload process the same. */
const CASES: Case[] = JSON.parse(readFileSync(join(ROOT, 'test/kit/needed-models.json'), 'utf8'));

describe('the models that are needed', () => {
  it.each(CASES)('are $what', ({ settings, stored, embedding, reranker }) => {
    const counts = storedUnless(settings.ENABLE_PERSISTENT_CONFIG, { kind: 'sqlite', stored });
    const needed = neededModels((name) => settings[name], counts);
    expect(Object.fromEntries(needed.map(({ kind, name }) => [kind, name]))).toEqual({
      ...(embedding && { embedding }),
      ...(reranker && { reranker }),
    });
  });
});
