import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import vm from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makePlan } from '../src/plan/index.ts';
import { appsOf } from '../src/render/apps.ts';
import { renderEcosystem } from '../src/render/ecosystem.ts';
import { HEADER } from '../src/render/first-lines.ts';
import { commentText, propertyName, stringLiteral } from '../src/render/literal.ts';
import { alignReport, reportOf } from '../src/render/report.ts';
import { APPS, ENV } from '../src/runtime/contract.ts';
import { faultsOf } from '../src/setup/pm2/schema.ts';
import { anyInput, hostileText, inputOf } from './inputs.ts';
import { settingsOf } from './settings-of.ts';
import { temporaryFolder } from './temporary.ts';

/** What the text makes of `module.exports`, without anything that it could call. */
function load(text: string): unknown {
  const module = { exports: {} };
  vm.runInNewContext(text, { module });
  return JSON.parse(JSON.stringify(module.exports));
}

/** Own properties only, so that `__proto__` is one like any other. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('stringLiteral', () => {
  it('is the string, whatever is in it', () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        const literal = stringLiteral(text);
        expect(vm.runInNewContext(literal)).toBe(text);
        expect(literal).not.toMatch(/[\n\r\u2028\u2029]|<\/|<!|-->|\*\//);
      }),
    );
  });

  it('hides nothing', () => expect(stringLiteral('a\u202eb\u200b')).toBe('"a\\u202eb\\u200b"'));
});

describe('propertyName', () => {
  it('is the name, whatever is in it', () => {
    fc.assert(
      fc.property(hostileText, (name) => {
        const object: unknown = vm.runInNewContext(`({ ${propertyName(name)}: 1 })`);
        expect(Object.keys(object as object)).toEqual([name]);
      }),
    );
  });
});

describe('commentText', () => {
  it('stays on its line', () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        expect(vm.runInNewContext(`1 // ${commentText(text)}`)).toBe(1);
        expect(commentText(text)).not.toMatch(/[\n\r\u2028\u2029\0]/);
      }),
    );
  });
});

describe('renderEcosystem', () => {
  it('is valid JavaScript that says exactly what was planned, for any plan', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const plan = planOf(input);
        fc.pre(plan !== undefined);
        const apps = appsOf(plan);
        expect(load(renderEcosystem(plan))).toEqual({ apps: plain(apps) });
        expect(faultsOf(apps)).toEqual([]);
        expect(renderEcosystem(plan)).toBe(renderEcosystem(plan));
      }),
    );
  });

  it('is loaded by Node as PM2 does it', () => {
    const path = join(temporaryFolder(), 'ecosystem.config.js');
    const plan = makePlan(inputOf());
    writeFileSync(path, renderEcosystem(plan));
    expect(createRequire(import.meta.url)(path)).toEqual({ apps: plain(appsOf(plan)) });
  });

  it('begins with the line that we know our files by', () =>
    expect(renderEcosystem(makePlan(inputOf())).startsWith(`${HEADER}\n`)).toBe(true));

  it('has not changed by accident', () =>
    expect(renderEcosystem(makePlan(inputOf()))).toMatchFileSnapshot('fixtures/ecosystem.config.js.txt'));

  it('holds no value of a setting in its comments', () => {
    const text = renderEcosystem(makePlan(inputOf({ settings: settingsOf({ WEBUI_NAME: 'hunter2' }) })));
    const comments = text.match(/\/\/.*/g)?.join() ?? '';
    expect(text).toContain('hunter2');
    expect(comments).not.toContain('hunter2');
  });
});

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

  it('leaves the static files to the app where a flag or the preset says so', () => {
    const { preset } = inputOf();
    for (const off of [{ staticCache: false as const }, { preset: { ...preset, staticCache: false } }]) {
      expect(appsOf(makePlan(inputOf(off)))[0]?.env).not.toHaveProperty(ENV.staticCache);
    }
  });

  it('has no shortcuts where a flag or the preset says so', () => {
    const { preset } = inputOf();
    for (const off of [{ shortcuts: false as const }, { preset: { ...preset, shortcuts: false } }]) {
      expect(appsOf(makePlan(inputOf(off)))[0]?.env).not.toHaveProperty(ENV.shortcuts);
    }
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

describe('faultsOf', () => {
  const app = { name: 'a', script: 's' };

  it.each([
    [{ ...app, instances: 'half' }, 'instances'],
    [{ ...app, min_uptime: 1 }, 'min_uptime'],
    [{ ...app, exec_mode: 'both' }, 'exec_mode'],
    [{ ...app, instnaces: 2 }, 'PM2 has no "instnaces"'],
  ])('finds what is wrong with %j', (wrong, fault) =>
    expect(faultsOf([wrong])).toEqual([expect.stringContaining(fault)]),
  );

  it('knows the aliases and the environments', () =>
    expect(faultsOf([{ ...app, interpreter: 'x', env_production: {} }])).toEqual([]));
});

describe('the report', () => {
  const settings = new Map([
    ['OPENAI_API_KEY', { value: 'hunter2', source: 'environment' as const, secret: true }],
    ['WEBUI_NAME', { value: 'a\u001b[2Jb\nc', source: 'env file' as const, secret: false }],
  ]);
  const lines = alignReport(reportOf(makePlan(inputOf({ settings, warnings: ['look'] })), ['note']));

  it('says every number with its reason', () => {
    expect(lines.join('\n')).toMatch(/^ {2}workers +4 +cores: 4 physical cores \(8 hyper-threads\)$/m);
    expect(lines.join('\n')).toMatch(
      /^ {2}memory needed +1,174 MiB +750 MiB for the full preload \+ 4 × 106 MiB, 25 MiB of it for the embedding model$/m,
    );
    expect(lines).toEqual(expect.arrayContaining(['look', 'note']));
  });

  it('says where each setting comes from', () => {
    expect(lines.join('\n')).toMatch(/^ {2}OPENAI_API_KEY +\(secret\) +environment$/m);
    expect(lines.join('\n')).toMatch(/^ {2}WEBSOCKET_MANAGER +redis +computed: /m);
  });

  it('shows no secret, and obeys no escape sequence', () => {
    expect(lines.join('\n')).not.toContain('hunter2');
    expect(lines.join('')).not.toMatch(/\p{Cc}/u);
  });

  it('is aligned', () => {
    const rows = lines.slice(1, 8);
    const columns = rows.map((row) => row.search(/\S {2,}\S/));
    expect(rows).toHaveLength(7);
    expect(Math.max(...columns)).toBeLessThan(30);
    const reasons = rows.map((row) => /^ {2}\S+(?: \S+)* {2,}\S+(?: \S+)* {2,}/.exec(row)?.[0].length);
    expect(new Set(reasons).size).toBe(1);
  });
});

function planOf(input: Parameters<typeof makePlan>[0]) {
  try {
    return makePlan(input);
  } catch {
    return undefined;
  }
}
