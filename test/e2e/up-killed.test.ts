/** `webui-tune up` that is killed while PM2 starts the workers: the next one begins anew, and nothing of the first is left. */
import { beforeAll, expect, it } from 'vitest';
import { until } from '../../src/base/io/wait.ts';
import { APPS } from '../../src/runtime/contract.ts';
import { Installation } from '../kit/installation.ts';
import { createMigratedDatabase } from '../kit/postgres.ts';
import { settingsFor, startServices } from '../kit/services.ts';
import { useScope } from '../kit/vitest.ts';

const WORKERS = 2;
const TIMEOUT_MS = 600_000;

const scope = useScope();
let installation: Installation;

beforeAll(async () => {
  const services = await startServices(scope, createMigratedDatabase);
  installation = await Installation.prepare(scope);
  await installation.writeSettings(settingsFor(services, 'local'));
});

const countOf = async (name: string) => (await installation.processes()).get(name)?.length ?? 0;

it.each([
  ['the preload process', APPS.preload],
  ['the first worker', APPS.cluster],
])(
  'when PM2 has just begun %s',
  async (_, app) => {
    const words = installation.upWords('--workers', `${WORKERS}`);
    const first = installation.start(words);
    await until(async () => (await countOf(app)) > 0, { what: `PM2 has ${app}`, timeoutMs: TIMEOUT_MS });
    expect(first.exitCode).toBeNull();
    first.kill('SIGKILL');
    await first;
    const { code, stderr } = await installation.up('--workers', `${WORKERS}`);
    expect([code, stderr]).toEqual([0, expect.anything()]);
    expect(await countOf(APPS.cluster)).toBe(WORKERS);
    const instances = (await installation.processes()).get(APPS.cluster) ?? [];
    expect(installation.supervisorPids().sort()).toEqual(instances.map(({ pid }) => pid).sort());
    expect((await installation.run('down')).code).toBe(0);
  },
  TIMEOUT_MS,
);
