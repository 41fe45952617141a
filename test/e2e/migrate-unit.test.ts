/** `webui-tune migrate` where a unit of a real systemd serves the old data: it is stopped, and started again. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../../src/base/errors.ts';
import { signal } from '../../src/base/io/started.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { until } from '../../src/base/io/wait.ts';
import { processTree, programOf } from '../../src/base/machine/process-table.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { startUpstream } from '../../src/bench/scratch/upstream.ts';
import { startEmbeddedPostgres } from '../kit/embedded-postgres.ts';
import { LEAN, openWebuiEnvironment } from '../kit/environment.ts';
import { Installation } from '../kit/installation.ts';
import { ADA } from '../kit/migrate/people.ts';
import { sqliteSettings } from '../kit/migrate/sqlite-server.ts';
import { freePort } from '../kit/ports.ts';
import { bootSystemd, type Systemd, whyNoSystemd } from '../kit/systemd.ts';
import { useScope } from '../kit/vitest.ts';

const TIMEOUT_MS = 600_000;
const UNIT = 'old-chat.service';

const missing = whyNoSystemd();
if (missing !== undefined) process.stderr.write(`skipped: migrate with a unit. ${missing}\n`);

const scope = useScope();
let systemd: Systemd;
let installation: Installation;
let oldUrl: string;
let dataDir: string;
let target: string;

const state = () => systemd.property(UNIT, 'ActiveState');
const isServed = (url: string) => async () => (await fetch(`${url}/health`)).ok;
const untilServed = (url: string) =>
  until(isServed(url), { what: `${url} serves`, timeoutMs: TIMEOUT_MS, intervalMs: 100 });

const words = () => installation.migration('--yes', '--from', dataDir, '--to', target);

/** The command itself: nsenter only waits for it. */
function killInside(nsenter: number): void {
  const program = processTree(nsenter).find(({ pid }) => programOf(pid).startsWith('node'));
  if (!program) throw new Error('the command does not run');
  signal(program, 'SIGKILL');
}

beforeAll(async () => {
  if (missing !== undefined) return;
  const upstream = await startUpstream(scope);
  ({ url: target } = await startEmbeddedPostgres(scope));
  const folder = await temporaryFolder(scope, 'unit');
  dataDir = join(folder, 'data');
  mkdirSync(dataDir);
  const port = await freePort();
  oldUrl = `http://127.0.0.1:${port}`;
  const settings = sqliteSettings(upstream);
  const environment = {
    ...settings,
    ...LEAN,
    HOME: folder,
    FROM_INIT_PY: 'true',
    DATA_DIR: dataDir,
    STATIC_DIR: join(folder, 'static'),
  };
  const unit = [
    '[Service]',
    ...Object.entries(environment).map(([name, value]) => `Environment="${name}=${value}"`),
    `WorkingDirectory=${folder}`,
    `ExecStart=${openWebuiEnvironment().python} -m uvicorn open_webui.main:app --host 127.0.0.1 --port ${port}`,
    `StandardOutput=append:${folder}/log`,
    `StandardError=append:${folder}/log`,
  ];
  systemd = await bootSystemd(scope, { [UNIT]: `${unit.join('\n')}\n` });
  await systemd.systemctl('start', UNIT);
  await untilServed(oldUrl);
  await OpenWebui.signUp(oldUrl, ADA);
  installation = await Installation.prepare(scope, {
    through: systemd.through,
    // PM2's daemon has another pid inside, so that what looks for it in its home must not find one.
    env: { PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, PM2_HOME: join(folder, 'pm2') },
  });
  await installation.writeSettings(settings);
}, TIMEOUT_MS);

describe.skipIf(missing !== undefined).sequential('webui-tune migrate, of what a unit serves', () => {
  it(
    'starts the unit again where it is cut short in the outage',
    async () => {
      let atSecondPass = '';
      await installation.runUntil(words(), 'second pass', async (pid) => {
        killInside(pid);
        atSecondPass = await state();
      });
      expect(atSecondPass).toBe('inactive');
      const { stderr, code } = await installation.run('resume');
      expect(stderr).toMatch(/the migration of .*webui\.db is undone/);
      expect(code).toBe(EXIT.ok);
      expect(await state()).toBe('active');
      await untilServed(oldUrl);
    },
    TIMEOUT_MS,
  );

  it(
    'stops the unit, and says how it stays so',
    async () => {
      const { stdout, stderr, code } = await installation.run(...words());
      expect([code, stderr]).toEqual([EXIT.ok, expect.stringContaining(`systemctl disable ${UNIT}`)]);
      expect(stdout).not.toContain('DIFFERENT');
      expect(await state()).toBe('inactive');
      expect((await OpenWebui.signIn(installation.url, ADA)).url).toBe(installation.url);
    },
    TIMEOUT_MS,
  );

  it(
    'starts the unit again on the way back',
    async () => {
      const { stderr, code } = await installation.migrate('--back');
      expect([code, stderr]).toEqual([EXIT.ok, expect.stringContaining('webui.db again')]);
      expect(await state()).toBe('active');
      await untilServed(oldUrl);
      await expect(isServed(installation.url)()).rejects.toThrow();
    },
    TIMEOUT_MS,
  );
});
