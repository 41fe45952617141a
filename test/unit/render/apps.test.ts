import { describe, expect, it } from 'vitest';
import { MIB } from '../../../src/base/units.ts';
import { makePlan } from '../../../src/plan/index.ts';
import { appsOf } from '../../../src/render/apps.ts';
import { renderEcosystem } from '../../../src/render/ecosystem.ts';
import { APPS, ENV } from '../../../src/runtime/contract.ts';
import { faultsOf } from '../../../src/setup/pm2/schema.ts';
import { inputOf } from '../../kit/inputs.ts';
import { settingsOf } from '../../kit/settings-of.ts';

describe('the apps', () => {
  const [preload, cluster] = appsOf(makePlan(inputOf({ settings: settingsOf({ A: '1' }, 'preset') })));

  it('tells the runtime what the contract says', () => {
    expect(preload?.env).toMatchObject({
      [ENV.host]: '0.0.0.0',
      [ENV.port]: '8080',
      [ENV.controlSocket]: '/run/control.sock',
      [ENV.preload]: 'auto',
      [ENV.secretsFile]: '/data/.webui-tune.env',
      [ENV.staticCache]: '/cache/static',
      [ENV.shortcuts]: 'true',
      DATA_DIR: '/data',
      WEBSOCKET_MANAGER: 'redis',
      A: '1',
    });
    expect(cluster?.env).toEqual({
      [ENV.controlSocket]: '/run/control.sock',
      [ENV.drainSeconds]: '60',
      [ENV.memoryLimit]: '1024',
      [ENV.hangSeconds]: '30',
    });
  });

  it('lets the env file win over what was computed, and over nothing else', () => {
    const settings = settingsOf({ WEBUI_NAME: 'x', REDIS_SOCKET_TIMEOUT: '9' });
    const env = appsOf(makePlan(inputOf({ settings })))[0]?.env as Record<string, string>;
    const computed = env[ENV.computed]?.split(',') ?? [];
    expect(computed).toEqual(expect.arrayContaining(['WEBSOCKET_MANAGER', 'DATA_DIR', 'VECTOR_DB']));
    expect(computed).not.toContain('WEBUI_NAME');
    expect(computed).not.toContain('REDIS_SOCKET_TIMEOUT');
    expect(Object.keys(env)).toEqual(expect.arrayContaining(computed));
    expect(preload?.env).toHaveProperty(ENV.computed, expect.stringMatching(/^A,/));
  });

  it('never starts workers inside of workers', () => {
    const settings = settingsOf({ WEB_CONCURRENCY: '4', UVICORN_WORKERS: '4' }, 'env file');
    expect(renderEcosystem(makePlan(inputOf({ settings })))).not.toMatch(/WEB_CONCURRENCY|UVICORN_WORKERS/);
  });

  it('names a script without the spaces that PM2 would take for a shell command', () => {
    const { places } = inputOf();
    const apps = appsOf(makePlan(inputOf({ places: { ...places, runtime: '/my data/runtime' } })));
    expect(apps.map(({ cwd, script }) => [cwd, script])).toEqual([
      ['/my data/runtime/preload', './preload.py'],
      ['/my data/runtime', './worker.cjs'],
    ]);
  });

  it('is joined by one that serves metrics where they are asked for', () => {
    for (const runtime of ['preload', 'uvicorn'] as const) {
      const apps = appsOf(makePlan(inputOf({ runtime, metricsPort: 9464 })));
      expect(apps.at(-1)).toMatchObject({
        name: APPS.metrics,
        script: '/package/dist/runtime/metrics.cjs',
        exec_mode: 'fork',
        env: { [ENV.controlSocket]: '/run/control.sock', [ENV.metricsPort]: '9464' },
      });
      expect(faultsOf(apps)).toEqual([]);
      expect(appsOf(makePlan(inputOf({ runtime }))).map(({ name }) => name)).not.toContain(APPS.metrics);
    }
  });

  it('is joined by one that adds workers and takes them away where there is a range', () => {
    const workers = { value: 4, least: 2, from: '--workers 2..4', source: 'flag' } as const;
    const plan = makePlan(inputOf({ workers }));
    const apps = appsOf(plan);
    expect(apps.map(({ name }) => name)).toEqual([APPS.preload, APPS.cluster, APPS.scale]);
    expect(apps[1]).toMatchObject({ instances: 2, merge_logs: true });
    expect(apps[2]).toMatchObject({
      script: '/package/dist/runtime/scale.cjs',
      exec_mode: 'fork',
      env: {
        [ENV.controlSocket]: '/run/control.sock',
        [ENV.port]: '8080',
        [ENV.leastWorkers]: '2',
        [ENV.mostWorkers]: '4',
        [ENV.workerMemory]: String(Math.floor((plan.memory.worker + plan.memory.growth) / MIB)),
      },
    });
    expect(faultsOf(apps)).toEqual([]);
    expect(renderEcosystem(plan)).toContain('instances: 2, // the least; open-webui-scale adds up to 4');
    expect(appsOf(makePlan(inputOf())).map(({ name }) => name)).not.toContain(APPS.scale);
  });

  it('gives a draining worker its time', () => {
    expect(cluster?.kill_timeout).toBeGreaterThan(60_000);
    expect(cluster?.instances).toBe(4);
  });
});

describe('the app of --runtime uvicorn', () => {
  const plan = makePlan(inputOf({ runtime: 'uvicorn' }));
  const [app, ...others] = appsOf(plan);

  it('is one, in fork mode, with the workers of Open WebUI’s own server', () => {
    expect(others).toEqual([]);
    expect(app).toMatchObject({
      name: 'open-webui',
      script: '/package/dist/runtime/preload/serve.py',
      interpreter: '/venv/bin/python',
      exec_mode: 'fork',
      env: { WEBUI_TUNE_UVICORN_WORKERS: '4', [ENV.secretsFile]: '/data/.webui-tune.env' },
    });
    expect(app).not.toHaveProperty('instances');
    expect(app?.env).not.toHaveProperty(ENV.staticCache);
    expect(faultsOf([app ?? {}])).toEqual([]);
  });

  it('does not promise what it cannot do', () => expect(renderEcosystem(plan)).not.toContain('pm2 reload'));
});
