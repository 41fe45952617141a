import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { GIB, MIB } from '../../../src/base/units.ts';
import { makePlan } from '../../../src/plan/index.ts';
import type { PlanInput } from '../../../src/plan/input.ts';
import { renderCompose } from '../../../src/render/compose/index.ts';
import { ownServices } from '../../../src/render/compose/services.ts';
import { COMPOSE_HEADER } from '../../../src/render/first-lines.ts';
import { ENV } from '../../../src/runtime/contract.ts';
import { inputOf, machineOf } from '../../kit/inputs.ts';
import { settingsOf } from '../../kit/settings-of.ts';

// biome-ignore lint/suspicious/noExplicitAny: a parsed file, whose shape is what is tested
type Values = any;

function compose(overrides: Partial<PlanInput> = {}) {
  const machine = overrides.machine ?? machineOf(4, 16 * GIB);
  const host = { value: '127.0.0.1', from: 'default', source: 'computed' } as const;
  const plan = makePlan(inputOf({ services: ownServices(machine), host, ...overrides }));
  const { text, ...rest } = renderCompose(plan);
  return { plan, text, values: parse(text) as Values, ...rest };
}

const bytes = (size: string) => Number(/^(\d+)m$/.exec(size)?.[1]) * MIB;

describe.each(['preload', 'uvicorn'] as const)('renderCompose with --runtime %s', (runtime) => {
  const { plan, text, values, secretFiles } = compose({ runtime });
  const container = values.services['open-webui'];

  it('has not changed by accident', () =>
    expect(text).toMatchFileSnapshot(`../../fixtures/compose.${runtime}.yaml.txt`));

  it('begins with the line that we know our files by', () =>
    expect(text.startsWith(`${COMPOSE_HEADER}\n`)).toBe(true));

  it('has a health check, a limit and a restart for every service that stays', () => {
    for (const name of ['postgres', 'valkey', 'open-webui']) {
      expect(values.services[name], name).toMatchObject({
        healthcheck: { test: expect.anything() },
        mem_limit: expect.stringMatching(/^\d+m$/),
        restart: 'unless-stopped',
      });
    }
  });

  it('keeps all limits together within the machine', () => {
    const names = ['postgres', 'valkey', 'open-webui'];
    const sum = names.reduce((all, name) => all + bytes(values.services[name].mem_limit), 0);
    expect(sum).toBeLessThanOrEqual(16 * GIB);
  });

  it('waits for what it needs', () =>
    expect(container.depends_on).toMatchObject({
      postgres: { condition: 'service_healthy' },
      valkey: { condition: 'service_healthy' },
    }));

  it('has the time for every import that it makes, in turns where there are fewer cores', () => {
    const workers = { value: 4, from: '--workers 4', source: 'flag' } as const;
    const { values } = compose({ runtime, machine: machineOf(2, 16 * GIB), workers });
    const turns = runtime === 'uvicorn' ? 2 : 1;
    expect(values.services['open-webui'].healthcheck.start_period).toBe(`${turns * 96}s`);
  });

  it('is reached from this machine only, unless asked', () => {
    expect(container.ports).toEqual(['127.0.0.1:8080:8080']);
    const open = { value: '::', from: '--host ::', source: 'flag' } as const;
    expect(compose({ runtime, host: open }).values.services['open-webui'].ports).toEqual(['[::]:8080:8080']);
  });

  it('gives an answer its time', () =>
    expect(Number.parseInt(container.stop_grace_period, 10)).toBeGreaterThan(plan.drainSeconds));

  it('takes every secret from a file', () => {
    expect(Object.keys(values.secrets)).toEqual(secretFiles);
    expect(container.secrets).toEqual(secretFiles);
    for (const name of secretFiles) {
      expect(values.secrets[name]).toEqual({ file: `./secrets/${name}` });
      expect(container.command.join()).toContain(`$$(cat /run/secrets/${name})`);
    }
    expect(Object.keys(container.environment)).not.toContain('DATABASE_URL');
  });

  it('keeps the pools within max_connections', () => {
    const most = Number(/max_connections=(\d+)/.exec(values.services.postgres.command.join())?.[1]);
    const number = (name: string) => Number(container.environment[name]);
    const engine = number('DATABASE_POOL_SIZE') + number('DATABASE_POOL_MAX_OVERFLOW');
    expect((plan.workers + 1) * (2 * engine + number('PGVECTOR_POOL_SIZE'))).toBeLessThanOrEqual(most - 3);
  });

  it('passes values on as they are', () => {
    const settings = settingsOf({
      WEBUI_NAME: '$' + '{HOME} costs $5',
      OLLAMA_BASE_URL: 'http://127.0.0.1:11434',
    });
    const given = compose({ runtime, settings });
    const { environment } = given.values.services['open-webui'];
    expect(environment.WEBUI_NAME.replaceAll('$$', '$')).toBe('$' + '{HOME} costs $5');
    expect(environment).not.toHaveProperty('OLLAMA_BASE_URL');
    expect(given.warnings.join()).toContain('OLLAMA_BASE_URL');
  });

  it('holds no secret of the user’s, and asks for its file', () => {
    const secret = { value: 'hunter2', source: 'env file', secret: true } as const;
    const given = compose({ runtime, settings: new Map([['OPENAI_API_KEY', secret]]) });
    expect(given.text).not.toContain('hunter2');
    expect(given.secretFiles).toContain('openai-api-key');
    expect(given.text).toContain('export OPENAI_API_KEY="$$(cat /run/secrets/openai-api-key)"');
  });
});

describe('the two forms', () => {
  const cluster = compose({ runtime: 'preload' });
  const stock = compose({ runtime: 'uvicorn' });

  it('of four workers: one shares its memory, the other pays for each in full', () => {
    expect([cluster.plan.workers, stock.plan.workers]).toEqual([4, 4]);
    expect(stock.values.services['open-webui'].environment.UVICORN_WORKERS).toBe('4');
    expect(bytes(stock.values.services['open-webui'].mem_limit)).toBeGreaterThanOrEqual(
      (188 + 4 * 620) * MIB,
    );
    expect(cluster.plan.memory.predicted).toBeLessThan(1.25 * GIB);
  });

  it('migrate once: in a container that leaves, or in the preload process', () => {
    const { migrate } = stock.values.services;
    expect(migrate.environment).not.toHaveProperty('ENABLE_DB_MIGRATIONS');
    expect(stock.values.services['open-webui'].environment.ENABLE_DB_MIGRATIONS).toBe('False');
    expect(stock.values.services['open-webui'].depends_on.migrate).toEqual({
      condition: 'service_completed_successfully',
    });
    expect(cluster.values.services).not.toHaveProperty('migrate');
  });

  it('keep the image’s Python and its source tree', () => {
    const { apps } = JSON.parse(cluster.values.configs.ecosystem.content.replaceAll('$$', '$'));
    expect(apps[0]).toMatchObject({
      interpreter: '/usr/local/bin/python3',
      env: { [ENV.host]: '0.0.0.0', [ENV.port]: '8080' },
    });
    expect(apps[1]).toMatchObject({ instances: 4, wait_ready: true });
    expect(cluster.values.services['open-webui'].volumes).toContain(
      '/package/dist/runtime:/opt/webui-tune/runtime:ro',
    );
  });

  it('fit a small machine', () => {
    const small = compose({
      machine: machineOf(1, 2 * GIB),
      settings: settingsOf({ RAG_EMBEDDING_ENGINE: 'openai' }),
    });
    const { services } = small.values;
    expect(bytes(services['open-webui'].mem_limit)).toBeLessThan(2 * GIB);
    expect(bytes(services.postgres.mem_limit)).toBe(256 * MIB);
  });
});
