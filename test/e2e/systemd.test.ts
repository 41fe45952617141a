/**
 * The units' own command lines and environments against the real Open WebUI, with a real NOTIFY_SOCKET in systemd's place:
 * systemd itself does not run them here.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, describe, expect, it } from 'vitest';
import { CLI, openWebuiEnvironment } from '../kit/environment.ts';
import { request } from '../kit/http.ts';
import { startLoad } from '../kit/load.ts';
import { type Notify, startNotify } from '../kit/notify.ts';
import { OpenWebui } from '../kit/openwebui.ts';
import { freePort } from '../kit/ports.ts';
import { type ProcessInfo, processTree } from '../kit/proc.ts';
import { type StartedProcess, startProcess, untilGone } from '../kit/processes.ts';
import { type Services, settingsFor, startServices } from '../kit/services.ts';
import { temporaryFolder } from '../kit/temp.ts';
import { useScope } from '../kit/vitest.ts';
import { until } from '../kit/wait.ts';

const START_TIMEOUT_MS = 150_000;
const TIMEOUT_MS = 30_000;
/** What a unit with WatchdogSec=2 finds in its environment. */
const WATCHDOG = { WATCHDOG_USEC: '2000000' };

const hasNotify = (() => {
  try {
    execFileSync('systemd-notify', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    process.stderr.write('skipped: systemd’s host. systemd-notify is missing (package systemd)\n');
    return false;
  }
})();

const scope = useScope();
let services: Services;
let folder: string;
let url: string;
let notify: Notify;
let units: Map<string, string>;
let preload: StartedProcess;
let workers: StartedProcess[];

/** Starts what a unit's ExecStart says, with what its Environment says. */
async function startUnit(unit: string, instance: string): Promise<StartedProcess> {
  const lines = (units.get(unit) ?? '').replaceAll('%i', instance).split('\n');
  const values = (key: string) =>
    lines.flatMap((line) => (line.startsWith(`${key}=`) ? [unquote(line.slice(key.length + 1))] : []));
  const [program = '', ...args] = (values('ExecStart')[0] ?? '').split(' ');
  const env = Object.fromEntries(
    values('Environment').map((pair) => [
      pair.slice(0, pair.indexOf('=')),
      pair.slice(pair.indexOf('=') + 1),
    ]),
  );
  const log = join(folder, `${instance}.log`);
  return startProcess(scope, program, args, {
    log,
    cwd: values('WorkingDirectory')[0] ?? folder,
    env: { ...env, ...WATCHDOG, HOME: folder, NOTIFY_SOCKET: notify.address(instance) },
  });
}

function unquote(text: string): string {
  const inner = /^"(.*)"$/.exec(text)?.[1];
  return (inner ?? text).replaceAll('%%', '%').replaceAll('\\"', '"').replaceAll('\\\\', '\\');
}

/** The Python workers: below the preload process. */
function pythonWorkers(): ProcessInfo[] {
  return processTree(preload.pid).filter(({ pid }) => pid !== preload.pid);
}

const hears = (service: string, what: RegExp, timeoutMs = TIMEOUT_MS) =>
  until(() => notify.said(service).find((line) => what.test(line)), {
    what: `${service} says ${what}`,
    timeoutMs,
  });

beforeAll(async () => {
  if (!hasNotify) return;
  services = await startServices(scope);
  folder = await temporaryFolder(scope, 'units');
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const settings = { ...settingsFor(services, 'remote'), DATA_DIR: join(folder, 'data') };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(join(folder, 'open-webui.env'), lines.join(''), { mode: 0o600 });
  const { python } = openWebuiEnvironment();
  const out = join(folder, 'system');
  mkdirSync(out);
  await execa(
    process.execPath,
    [CLI, '--format', 'systemd', '--out', out, '--python', python, '--port', `${port}`, '--workers', '2'],
    { cwd: folder, env: { PATH: process.env.PATH ?? '', HOME: folder, LANG: 'C.UTF-8' }, extendEnv: false },
  );
  const places = (text: string) =>
    text
      .replaceAll('/run/open-webui', join(folder, 'run'))
      .replaceAll('/var/cache/open-webui', join(folder, 'cache'));
  units = new Map(
    ['open-webui-preload.service', 'open-webui@.service'].map((name) => [
      name,
      places(readFileSync(join(out, name), 'utf8')),
    ]),
  );
  for (const name of ['run', 'cache']) mkdirSync(join(folder, name), { mode: 0o700 });
  notify = await startNotify(scope, folder, ['preload', 'one', 'two']);
  preload = await startUnit('open-webui-preload.service', 'preload');
  await hears('preload', /^READY=1$/, START_TIMEOUT_MS);
  workers = await Promise.all(['one', 'two'].map((name) => startUnit('open-webui@.service', name)));
});

describe.skipIf(!hasNotify).sequential('under systemd’s protocol', () => {
  it('each worker is ready when it serves', async () => {
    for (const name of ['one', 'two']) {
      await hears(name, /^READY=1$/, START_TIMEOUT_MS);
      expect(notify.said(name)).toContainEqual(expect.stringMatching(/^STATUS=worker \d+/));
    }
    expect((await request(`${url}/ready`)).status).toBe(200);
    expect(pythonWorkers()).toHaveLength(2);
  });

  it('shows the figures of its worker, and that it lives', async () => {
    await hears('one', /^STATUS=worker \d+: \d+ MiB private, \d+ MiB shared, preload \w+, generation \w+$/);
    const signs = () => notify.said('one').filter((line) => line === 'WATCHDOG=1').length;
    const before = signs();
    await until(() => signs() > before + 1, { what: 'two more signs of life', timeoutMs: TIMEOUT_MS });
  });

  it('replaces its worker when it is reloaded, and loses no request', async () => {
    const ui = await OpenWebui.signIn(url, services.admin);
    const before = pythonWorkers().map(({ pid }) => pid);
    const load = startLoad({ url: `${url}/api/v1/chats/?page=1`, headers: ui.headers, connections: 4 });
    for (const { pid } of workers) process.kill(pid, 'SIGHUP');
    await until(
      () => pythonWorkers().length === 2 && pythonWorkers().every(({ pid }) => !before.includes(pid)),
      {
        what: 'both workers are new',
        timeoutMs: TIMEOUT_MS,
      },
    );
    const report = await load.stop();
    expect(report.failed).toBe(0);
    expect(report.answered).toBeGreaterThan(0);
  });

  it('drains when it is stopped, and leaves nothing behind', async () => {
    const all = [...pythonWorkers(), ...workers, preload];
    for (const { pid } of workers) process.kill(pid, 'SIGTERM');
    for (const name of ['one', 'two']) await hears(name, /^STOPPING=1$/);
    await untilGone([...pythonWorkers(), ...workers], TIMEOUT_MS);
    process.kill(preload.pid, 'SIGTERM');
    await untilGone(all, TIMEOUT_MS);
  });
});
