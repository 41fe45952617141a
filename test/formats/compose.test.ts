/** The rendered file against Compose itself (`config`), which needs no Docker. No container is started. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { GIB } from '../../src/base/units.ts';
import { makePlan } from '../../src/plan/index.ts';
import { renderCompose } from '../../src/render/compose/index.ts';
import { ownServices } from '../../src/render/compose/services.ts';
import { inputOf, machineOf } from '../kit/inputs.ts';
import { settingsOf } from '../kit/settings-of.ts';
import { composeConfig, composeFaults } from './validators.ts';

// biome-ignore lint/suspicious/noExplicitAny: a parsed file, which the seeds change at will
type Values = any;

const folder = mkdtempSync(join(tmpdir(), 'webui-tune-compose-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
mkdirSync(join(folder, 'secrets'));

describe.each(['preload', 'uvicorn'] as const)('with --runtime %s', (runtime) => {
  const services = ownServices(machineOf(4, 16 * GIB));
  const name = 'costs $5, $' + '{HOME}';
  const plan = makePlan(inputOf({ runtime, services, settings: settingsOf({ WEBUI_NAME: name }) }));
  const { text, secretFiles } = renderCompose(plan);
  for (const file of secretFiles) writeFileSync(join(folder, 'secrets', file), 'x');

  function written(given: unknown): string {
    const path = join(folder, 'compose.yaml');
    writeFileSync(path, typeof given === 'string' ? given : stringify(given));
    return path;
  }

  it('is what Compose takes', async () => expect(await composeFaults(written(text))).toBeUndefined());

  it('means what it says, dollars too', async () => {
    const config = (await composeConfig(written(text))) as Values;
    const container = config.services['open-webui'];
    // Compose doubles a dollar again where it prints it.
    expect(container.environment.WEBUI_NAME.replaceAll('$$', '$')).toBe(name);
    expect(container.command[2].replaceAll('$$', '$')).toContain('"$(cat /run/secrets/webui-secret-key)"');
    expect(container.ports[0]).toMatchObject({ host_ip: '0.0.0.0', published: '8080', target: 8080 });
    expect(Number(container.mem_limit)).toBeGreaterThan(GIB);
  });

  it.each<[string, RegExp, (given: Values) => void]>([
    ['an unknown key', /memlimit/, (given) => Object.assign(given.services.valkey, { memlimit: '1g' })],
    [
      'a service that is not there',
      /undefined service/,
      (given) =>
        Object.assign(given.services['open-webui'].depends_on, { redis: { condition: 'service_healthy' } }),
    ],
    ['a volume that is not there', /undefined volume/, (given) => delete given.volumes.data],
    ['a secret that is not there', /undefined secret/, (given) => delete given.secrets['webui-secret-key']],
    [
      'a wrong port',
      /port/i,
      (given) => Object.assign(given.services['open-webui'], { ports: ['127.0.0.1:8080:80800'] }),
    ],
    [
      'a wrong duration',
      /duration/i,
      (given) => Object.assign(given.services.postgres.healthcheck, { interval: '5 s' }),
    ],
    [
      'two limits that differ',
      /memory/i,
      (given) =>
        Object.assign(given.services.valkey, { deploy: { resources: { limits: { memory: '1m' } } } }),
    ],
    [
      'a variable that nobody sets',
      /required variable/,
      (given) => Object.assign(given.services.valkey, { image: '$' + '{NOT_SET:?is needed}' }),
    ],
  ])('%s is found', async (_, fault, seed) => {
    const given = parse(text);
    seed(given);
    expect(await composeFaults(written(given))).toMatch(fault);
  });
});
