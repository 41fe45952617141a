import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makePlan } from '../../../src/plan/index.ts';
import { SETTINGS_GROUPS } from '../../../src/plan/settings/index.ts';
import { loadPreset } from '../../../src/tune/presets.ts';
import { anyInput, inputOf } from '../../kit/inputs.ts';
import { planOrNothing, settingOf } from '../../kit/plans.ts';
import { settingsOf } from '../../kit/settings-of.ts';

describe('settings', () => {
  it('sets what makes several workers one', () => {
    const plan = makePlan(inputOf());
    for (const [key, value] of Object.entries({
      WEBSOCKET_MANAGER: 'redis',
      ENABLE_WEBSOCKET_SUPPORT: 'True',
      REDIS_SOCKET_CONNECT_TIMEOUT: '5',
      REDIS_SOCKET_TIMEOUT: '5',
      REDIS_HEALTH_CHECK_INTERVAL: '60',
      REDIS_SOCKET_KEEPALIVE: 'True',
    })) {
      expect(settingOf(plan, key)).toMatchObject({ value, source: 'computed', rendered: true });
    }
  });

  it.each(['environment', 'env file', 'secrets file', 'preset'] as const)(
    'overrides nothing from the %s',
    (source) => {
      const plan = makePlan(
        inputOf({ settings: settingsOf({ REDIS_SOCKET_TIMEOUT: '30', VECTOR_DB: 'qdrant' }, source) }),
      );
      expect(settingOf(plan, 'REDIS_SOCKET_TIMEOUT')).toMatchObject({ value: '30', source });
      expect(settingOf(plan, 'VECTOR_DB')).toMatchObject({ value: 'qdrant', source });
    },
  );

  it('sizes the pools to what the database has', () => {
    const plan = makePlan(inputOf());
    // 485 connections for 5 workers: 97 each, of which 8 for vectors; an engine never needs more than 20.
    expect(settingOf(plan, 'DATABASE_POOL_SIZE')?.value).toBe('15');
    expect(settingOf(plan, 'DATABASE_POOL_MAX_OVERFLOW')?.value).toBe('5');
    expect(settingOf(plan, 'PGVECTOR_POOL_SIZE')?.value).toBe('8');
    const theirs = makePlan(inputOf({ settings: settingsOf({ DATABASE_POOL_SIZE: '9' }) }));
    expect(settingOf(theirs, 'DATABASE_POOL_SIZE')).toMatchObject({ value: '9', source: 'environment' });
    expect(settingOf(theirs, 'DATABASE_POOL_MAX_OVERFLOW')).toBeUndefined();
  });

  it.each(['127.0.0.1', '0.0.0.0'])('on %s, compression stays as Open WebUI has it', (host) => {
    const plan = makePlan(inputOf({ host: { value: host, from: 'h', source: 'flag' } }));
    expect(settingOf(plan, 'ENABLE_COMPRESSION_MIDDLEWARE')).toBeUndefined();
    expect(plan.recommendations.find(({ key }) => key === 'compression')).toMatchObject({
      value: 'app',
      reason: expect.stringContaining('compression: proxy'),
    });
  });

  it('leaves compression to a proxy where a preset says that it compresses', () => {
    const preset = { ...loadPreset('default', '/'), compression: 'proxy' as const };
    const plan = makePlan(inputOf({ preset }));
    expect(settingOf(plan, 'ENABLE_COMPRESSION_MIDDLEWARE')?.value).toBe('False');
    const theirs = makePlan(
      inputOf({ preset, settings: settingsOf({ ENABLE_COMPRESSION_MIDDLEWARE: 'True' }) }),
    );
    expect(settingOf(theirs, 'ENABLE_COMPRESSION_MIDDLEWARE')?.value).toBe('True');
    expect(theirs.recommendations.find(({ key }) => key === 'compression')).toMatchObject({ value: 'app' });
  });

  it('lets uvicorn wait for its own workers, where it has several', () => {
    const key = 'UVICORN_TIMEOUT_WORKER_HEALTHCHECK';
    expect(settingOf(makePlan(inputOf({ runtime: 'uvicorn' })), key)).toMatchObject({ value: '60' });
    const one = makePlan(inputOf({ runtime: 'uvicorn', workers: { value: 1, from: 'w', source: 'flag' } }));
    expect(settingOf(one, key)).toBeUndefined();
    expect(settingOf(makePlan(inputOf()), key)).toBeUndefined();
  });

  it('sets no more than its groups say, each key in one of them', () => {
    const keys = SETTINGS_GROUPS.flatMap((group) => group.keys);
    expect(new Set(keys).size).toBe(keys.length);
    fc.assert(
      fc.property(anyInput, (input) => {
        const plan = planOrNothing(input);
        fc.pre(plan !== undefined);
        const computed = plan.settings.filter(({ source }) => source === 'computed').map(({ key }) => key);
        expect([...keys, 'DATA_DIR', 'PYTHONUNBUFFERED']).toEqual(expect.arrayContaining(computed));
        expect(plan.settings.every(({ reason }) => reason !== '')).toBe(true);
      }),
    );
  });

  it('renders only what no file brings', () => {
    const rendered = (source: 'environment' | 'env file' | 'secrets file' | 'preset') =>
      settingOf(makePlan(inputOf({ settings: settingsOf({ WEBUI_NAME: 'x' }, source) })), 'WEBUI_NAME')
        ?.rendered;
    expect(
      ['environment', 'env file', 'secrets file', 'preset'].map((source) => rendered(source as 'preset')),
    ).toEqual([true, false, false, true]);
  });

  it('has no value of a secret', () => {
    const settings = new Map([
      ['OPENAI_API_KEY', { value: 'hunter2', source: 'environment' as const, secret: true }],
    ]);
    const plan = makePlan(inputOf({ settings }));
    expect(settingOf(plan, 'OPENAI_API_KEY')).toMatchObject({ secret: true, rendered: false });
    expect(JSON.stringify(plan)).not.toContain('hunter2');
  });

  it('always says where the data is, unless the env file does', () => {
    const plan = (source: 'environment' | 'env file' | 'computed', value: string) =>
      settingOf(
        makePlan(
          inputOf({
            dataDir: { source, reason: 'r' },
            settings: settingsOf({ DATA_DIR: value }, 'env file'),
          }),
        ),
        'DATA_DIR',
      );
    expect(plan('computed', '')).toMatchObject({ value: '/data', rendered: true });
    expect(plan('env file', '/data')).toMatchObject({ value: '/data', rendered: false });
    // Relative in the env file: only the absolute form means the same at every start.
    expect(plan('env file', 'data')).toMatchObject({ value: '/data', rendered: true });
  });
});
