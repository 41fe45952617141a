/** A range of workers by the units as a user gets them, in a real systemd: root starts and stops what another user wants. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../src/base/io/wait.ts';
import { startLoad } from '../../src/bench/client/load.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { PATIENCE } from '../../src/runtime/scale/decide.ts';
import { PATIENCE_MS } from '../kit/patience.ts';
import { createMigratedDatabase } from '../kit/postgres.ts';
import { type Services, startServices } from '../kit/services.ts';
import { bootSystemd, type Systemd, saidOf, whyNoSystemd } from '../kit/systemd.ts';
import { renderUnits } from '../kit/units.ts';
import { useScope } from '../kit/vitest.ts';

const CALM_TIMEOUT_MS = 3 * PATIENCE.least * 1000;

const TARGET = 'open-webui.target';
const SCALE = 'open-webui-scale.service';
const [FIRST, SECOND] = ['open-webui@1.service', 'open-webui@2.service'];

const missing = whyNoSystemd();
if (missing !== undefined)
  process.stderr.write(`skipped: a range of workers in a real systemd. ${missing}\n`);

const scope = useScope();
let services: Services;
let folder: string;
let url: string;
let systemd: Systemd;
let ui: OpenWebui;

const log = (unit: string) => readFileSync(join(folder, `${unit}.log`), 'utf8');

async function untilState(unit: string, state: string, timeoutMs: number): Promise<void> {
  await until(async () => (await systemd.property(unit, 'ActiveState')) === state, {
    what: `${unit} is ${state}`,
    timeoutMs,
    intervalMs: 200,
  }).catch(async (cause) => {
    const status = await systemd.systemctl('status', '--full', unit, SCALE).catch(saidOf);
    throw new Error(`${cause.message}\n${status}\n${log(SCALE).slice(-2000)}`, { cause });
  });
}

beforeAll(async () => {
  if (missing !== undefined) return;
  services = await startServices(scope, createMigratedDatabase);
  const rendered = await renderUnits(scope, services, '--workers', '1..2');
  ({ folder, url } = rendered);
  const { out } = rendered;
  const units = Object.fromEntries(
    readdirSync(out).map((name) => [name, readFileSync(join(out, name), 'utf8')]),
  );
  // No journal is there to ask; what a unit logs is in a file instead.
  for (const name of readdirSync(out).filter((name) => name.endsWith('.service'))) {
    units[`${name}.d/log.conf`] =
      `[Service]\nStandardOutput=append:${folder}/%n.log\nStandardError=append:${folder}/%n.log\n`;
  }
  systemd = await bootSystemd(scope, units);
  await systemd.systemctl('start', TARGET);
  await untilState(FIRST, 'active', PATIENCE_MS);
  await untilState(SCALE, 'active', PATIENCE_MS);
  ui = await OpenWebui.signIn(url, services.admin);
});

const load = (connections: number, pauseMs = 0) =>
  startLoad({ url: `${url}/api/v1/chats/?page=1`, headers: ui.headers, connections, pauseMs });

describe.skipIf(missing !== undefined).sequential('a range of workers in a real systemd', () => {
  it('begins with the least', async () => {
    expect(await systemd.property(SECOND, 'ActiveState')).toBe('inactive');
  });

  it('has root start another unit under load, and loses no request', async () => {
    const busy = load(12);
    await untilState(SECOND, 'active', PATIENCE_MS);
    await busy.proceed(100);
    const { failures, answered } = await busy.stop();
    expect(failures).toEqual([]);
    expect(answered).toBeGreaterThan(100);
    expect(log(SCALE)).toContain('[scale] 1 → 2 workers: event loops are busy');
  });

  it('has root stop it again when the load is gone, and loses no request', async () => {
    const quiet = load(2, 400);
    await untilState(SECOND, 'inactive', CALM_TIMEOUT_MS);
    await quiet.proceed(20);
    const { failures, answered } = await quiet.stop();
    expect(failures).toEqual([]);
    expect(answered).toBeGreaterThan(100);
    expect(await systemd.property(FIRST, 'ActiveState')).toBe('active');
    expect(log(SCALE)).toContain('[scale] 2 → 1 workers, without instance 2');
  });

  it('stops with the target', async () => {
    await systemd.systemctl('stop', TARGET);
    await until(() => systemd.processes().every(({ name }) => !/node|python/.test(name)), {
      what: 'nothing of it runs',
      timeoutMs: PATIENCE_MS,
    });
    expect(await systemd.property(SCALE, 'ActiveState')).toBe('inactive');
  });
});
