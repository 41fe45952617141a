import { describe, expect, it } from 'vitest';
import { collectSettings, workerVariable } from '../../../src/facts/settings/collect.ts';

describe('collectSettings', () => {
  const nothing = { known: [], environment: {}, envFile: {}, secretsFile: {}, preset: {} };

  it('prefers the environment to the env file, that to the secrets file, that to the preset', () => {
    const settings = collectSettings({
      known: ['A', 'B', 'C', 'D'],
      environment: { A: 'environment' },
      envFile: { A: 'file', B: 'file' },
      secretsFile: { A: 'kept', B: 'kept', C: 'kept' },
      preset: { A: 'preset', B: 'preset', C: 'preset', D: 'preset' },
    });
    expect([...settings].map(([name, { value, source }]) => [name, value, source])).toEqual([
      ['A', 'environment', 'environment'],
      ['B', 'file', 'env file'],
      ['C', 'kept', 'secrets file'],
      ['D', 'preset', 'preset'],
    ]);
  });

  it('takes from the environment only what Open WebUI reads, but from its env file everything', () => {
    const settings = collectSettings({
      ...nothing,
      known: ['WEBUI_NAME'],
      environment: { WEBUI_NAME: 'x', PATH: '/bin', GITHUB_TOKEN: 'x' },
      envFile: { HF_HOME: '/models' },
    });
    expect([...settings.keys()]).toEqual(['HF_HOME', 'WEBUI_NAME']);
  });

  it('takes what says where models are, for the next plan to know it too', () => {
    const environment = { HF_HOME: '/models', HF_HUB_OFFLINE: '1', HF_DEBUG: '1' };
    const settings = collectSettings({ ...nothing, environment });
    expect([...settings.keys()]).toEqual(['HF_HOME', 'HF_HUB_OFFLINE']);
  });

  it('never takes a worker count for a setting', () => {
    const known = ['UVICORN_WORKERS', 'WEB_CONCURRENCY', 'FROM_INIT_PY', 'STATIC_DIR'];
    const values = Object.fromEntries(known.map((name) => [name, '4']));
    expect(collectSettings({ ...nothing, known, environment: values, envFile: values }).size).toBe(0);
  });

  it('treats everything in the secrets file as a secret', () => {
    const settings = collectSettings({ ...nothing, secretsFile: { WEBUI_NAME: 'plain' } });
    expect(settings.get('WEBUI_NAME')?.secret).toBe(true);
  });
});

describe('workerVariable', () => {
  it('reads both variables, the environment first', () => {
    expect(workerVariable({ UVICORN_WORKERS: '3' }, { WEB_CONCURRENCY: '2' })).toEqual({
      name: 'UVICORN_WORKERS',
      value: '3',
      source: 'environment',
    });
    expect(workerVariable({}, { WEB_CONCURRENCY: '2' })).toEqual({
      name: 'WEB_CONCURRENCY',
      value: '2',
      source: 'env file',
    });
    expect(workerVariable({ WEB_CONCURRENCY: '' }, {})).toBeUndefined();
  });
});
