import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GIB, MIB } from '../../../src/base/units.ts';
import { loadPreset, parsePreset, presetNames } from '../../../src/tune/presets.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

describe('the presets of the package', () => {
  it('has those that the documentation names', () =>
    expect(presetNames()).toEqual(['default', 'documents', 'shared', 'small', 'team', 'throughput']));

  it.each(presetNames())('%s is complete', (name) => {
    const preset = loadPreset(name, '/');
    expect(preset.name).toBe(name);
    expect(preset.description).not.toBe('');
    expect(preset.memory.reserveMin).toBeLessThanOrEqual(preset.memory.reserveMax);
  });

  it('small changes only what it says', () => {
    const [small, standard] = [loadPreset('small', '/'), loadPreset('default', '/')];
    expect(small.workers).toEqual({ ...standard.workers, max: 2 });
    expect(small.memory).toEqual({
      ...standard.memory,
      reserveMin: 56 * MIB,
      growth: 16 * MIB,
      workerLimit: 256 * MIB,
    });
    expect(small.drainSeconds).toBe(standard.drainSeconds);
    expect(small.preload).toBe('lean');
    expect(small.settings).toEqual({ RAG_EMBEDDING_ENGINE: 'openai' });
  });
});

describe('a preset from a file', () => {
  it('starts from the default, or from what it extends', () => {
    const folder = temporaryFolder({
      'a.yaml': 'workers: { max: 3 }\nsettings: { ENABLE_ORJSON: true, THREAD_POOL_SIZE: 200 }\n',
      'b.yaml': 'extends: ./a.yaml\nmemory: { workerLimit: 3GiB }\nsettings: { THREAD_POOL_SIZE: 300 }\n',
    });
    const a = loadPreset('./a.yaml', folder);
    expect(a.workers).toEqual({ perCore: 1, max: 3 });
    expect(a.settings).toEqual({ ENABLE_ORJSON: 'True', THREAD_POOL_SIZE: '200' });
    const b = loadPreset(join(folder, 'b.yaml'), '/');
    expect(b.workers.max).toBe(3);
    expect(b.memory.workerLimit).toBe(3 * GIB);
    expect(b.settings).toEqual({ ENABLE_ORJSON: 'True', THREAD_POOL_SIZE: '300' });
  });

  it('may be empty', () => {
    const folder = temporaryFolder({ 'a.yaml': '' });
    expect(loadPreset('a.yaml', folder)).toMatchObject({ ...loadPreset('default', '/'), name: 'a.yaml' });
  });

  it('does not extend itself', () => {
    const folder = temporaryFolder({ 'a.yaml': 'extends: ./b.yaml', 'b.yaml': 'extends: ./a.yaml' });
    expect(() => loadPreset('./a.yaml', folder)).toThrow('extends itself');
  });

  it('must be there', () => {
    expect(() => loadPreset('./x.yaml', '/cwd')).toThrow('/cwd/x.yaml: there is no such file');
    expect(() => loadPreset('nope', '/')).toThrow(
      'expected one of default, documents, shared, small, team, throughput',
    );
  });
});

/** File, line and key of everything that is wrong. */
describe('parsePreset', () => {
  it.each([
    ['workers:\n  max: 2\n  mx: 3\n', 'p, line 3: workers.mx: unknown key'],
    ['# comment\nworker: 3\n', 'p, line 2: worker: unknown key'],
    ['workers:\n  max: two\n', 'p, line 2: workers.max: '],
    ['workers: { perCore: 0 }', 'p, line 1: workers.perCore: '],
    ['memory:\n  growth: lots\n', 'p, line 2: memory.growth: not a size such as 512MiB'],
    ['memory:\n  reserve: 10\n', 'p, line 2: memory.reserve: '],
    ['memory:\n  reserve: 200%\n', 'p, line 2: memory.reserve: not a percentage such as 10%'],
    ['\ndrainSeconds: 1.5\n', 'p, line 2: drainSeconds: '],
    ['preload: some\n', 'p, line 1: preload: '],
    ['settings:\n  a b: 1\n', 'p, line 2: settings.a b: not the name of a setting'],
    ['settings:\n  DATA_DIR: /x\n', 'p, line 2: settings.DATA_DIR: not a setting that a preset can have'],
    ['settings:\n  A: [1]\n', 'p, line 2: settings.A: '],
    ['workers: 2\n', 'p, line 1: workers: '],
    ['- 1\n', 'p: the preset: '],
    ['a: b: c\n', 'p, line 1: '],
    ['workers: {\n', 'p, line '],
    ['max: 1\nmax: 2\n', 'p, line 2: Map keys must be unique'],
  ])('%j', (text, message) => {
    expect(() => parsePreset(text, 'p')).toThrow(message);
  });

  it('reports all faults together', () =>
    expect(() => parsePreset('a: 1\nb: 2\ndrainSeconds: x\n', 'p')).toThrow(
      /line 3.*drainSeconds.*line 1.*line 2/s,
    ));
});
