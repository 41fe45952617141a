/** `webui-tune measure` on the real Open WebUI: its figures beside a reading of our own, and that nothing of it stays. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { Client } from 'pg';
import { createClient } from 'redis';
import { beforeAll, describe, expect, it } from 'vitest';
import { killAll, onEmergency, signal } from '../../src/base/io/started.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { until } from '../../src/base/io/wait.ts';
import { type ProcessInfo, readProcess } from '../../src/base/machine/process-table.ts';
import { processesIn, processesWith } from '../../src/base/machine/processes.ts';
import { MIB } from '../../src/base/units.ts';
import { PlanSchema } from '../../src/plan/schema.ts';
import { WORKER_PROCESS } from '../../src/runtime/contract.ts';
import { type KeptMeasurement, MeasurementSchema } from '../../src/tune/measurements/kept.ts';
import { SECRETS_NAME } from '../../src/tune/secrets/secrets-file.ts';
import { CLI, openWebuiEnvironment, sharedCache } from '../kit/environment.ts';
import { PATIENCE_MS } from '../kit/patience.ts';
import { type Services, settingsFor, startServices } from '../kit/services.ts';
import { useScope } from '../kit/vitest.ts';

const MEASURE_TIMEOUT_MS = 400_000;
const LOOK_MS = 400;

const scope = useScope();
let services: Services;
let home: string;
/** Where it puts everything scratch. */
let temporary: string;
let env: Record<string, string>;

beforeAll(async () => {
  // An empty one: that nothing is added to it shows that it was not used.
  services = await startServices(scope);
  const folder = await temporaryFolder(scope, 'm');
  [home, temporary] = [join(folder, 'home'), join(folder, 'tmp')];
  // Another account runs PostgreSQL where the tests are root: it has to get in.
  await Promise.all([mkdir(home), mkdir(temporary), chmod(folder, 0o755)]);
  env = {
    PATH: process.env.PATH ?? '',
    HOME: home,
    LANG: 'C.UTF-8',
    XDG_CACHE_HOME: sharedCache(),
    TMPDIR: temporary,
    DATA_DIR: join(home, 'data'),
    ...settingsFor(services, 'remote'),
  };
  const cancel = onEmergency(() => {
    for (const id of started()) signal(id, 'SIGKILL');
  });
  scope.defer('all that measure started', async () => {
    await killAll(started());
    cancel();
  });
}, PATIENCE_MS);

/** Every process that has our folder for temporary files, or works in it: the command, and all that it started. */
function started(): ProcessInfo[] {
  const found = [...processesWith('/', temporary), ...processesIn('/', temporary)].map(({ pid }) => pid);
  return [...new Set(found)].flatMap((pid) => readProcess(pid) ?? []);
}

/** By the name that a worker gives itself: a document's helper is forked from the same process, and is smaller. */
function workers(): ProcessInfo[] {
  return started().filter(({ name }) => name === WORKER_PROCESS);
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

/** Bytes, mapping by mapping (proc_pid_smaps(5)): the product reads the kernel's own sum. */
function privateBytes(pid: number): number | undefined {
  try {
    const smaps = readFileSync(`/proc/${pid}/smaps`, 'utf8');
    const sizes = [...smaps.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB$/gm)].map(
      ([, kib]) => Number(kib) * 1024,
    );
    return sizes.length > 0 ? sizes.reduce((sum, size) => sum + size, 0) : undefined;
  } catch {
    return undefined;
  }
}

const args = () => ['--python', openWebuiEnvironment().python, '--workers', '2'];

async function run(...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { exitCode, stdout, stderr } = await execa(process.execPath, [CLI, ...words, ...args()], {
    cwd: home,
    env,
    extendEnv: false,
    stdin: 'ignore',
    reject: false,
    timeout: MEASURE_TIMEOUT_MS,
  });
  return { code: exitCode ?? -1, stdout, stderr };
}

/** Runs it in the background, as a shell does: in a process group of its own. */
function launch(): { child: ChildProcess; ended: Promise<{ code: number | null; stderr: string }> } {
  const child = spawn(process.execPath, [CLI, 'measure', ...args()], {
    cwd: home,
    env,
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<{ code: number | null; stderr: string }>((resolve) =>
    child.once('close', (code) => resolve({ code, stderr })),
  );
  return { child, ended };
}

const isImporting = () => started().some(({ pid }) => commandOf(pid).includes('preload.py'));

function measurements(): string[] {
  const folder = join(home, '.local', 'share', 'webui-tune', 'measurements');
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** Nothing runs, no temporary file is left, and the user's own servers and data were never used. */
async function expectNothingBehind(): Promise<void> {
  expect(started().map(({ pid }) => commandOf(pid))).toEqual([]);
  expect(readdirSync(temporary)).toEqual([]);
  // A plan keeps its secret there; a measurement nothing.
  const data = join(home, 'data');
  expect((existsSync(data) ? readdirSync(data) : []).filter((name) => name !== SECRETS_NAME)).toEqual([]);
  expect([...services.upstream.requests.keys()]).toEqual([]);
  const client = new Client({ connectionString: services.databaseUrl });
  await client.connect();
  const { rows } = await client.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'");
  await client.end();
  expect(rows).toEqual([]);
  const redis = createClient({ url: services.redisUrl });
  await redis.connect();
  const keys = await redis.dbSize();
  redis.destroy();
  expect(keys).toBe(0);
}

describe('webui-tune measure', () => {
  let measured: KeptMeasurement;

  it(
    'measures what a reading of our own sees too, and leaves nothing behind',
    async () => {
      /** The largest that we have seen of each worker, by pid. */
      const seen = new Map<number, number>();
      const look = setInterval(() => {
        for (const { pid } of workers()) seen.set(pid, Math.max(seen.get(pid) ?? 0, privateBytes(pid) ?? 0));
      }, LOOK_MS);
      const { code, stdout, stderr } = await run('measure', '--json').finally(() => clearInterval(look));
      expect(stderr).not.toContain('error:');
      expect(code, stderr).toBe(0);
      measured = MeasurementSchema.parse(JSON.parse(stdout));

      // Those of the second start are the last two; those of the first may have gone between two looks.
      expect(seen.size).toBeGreaterThanOrEqual(2);
      const ours = Math.max(...[...seen.values()].slice(-2));
      expect(measured.worker / ours).toBeGreaterThan(0.85);
      expect(measured.worker / ours).toBeLessThan(1.15);

      expect(measured.workers).toBe(2);
      expect(measured.conditions).toMatchObject({ level: 'lean', embedsLocally: false, preset: 'default' });
      expect(measured.workerIdle).toBeLessThan(measured.worker);
      expect(measured.worker).toBeLessThan(200 * MIB);
      expect(measured.base).toBeGreaterThan(200 * MIB);
      expect(measured.base).toBeLessThan(600 * MIB);
      expect(measured.supervisor).toBeLessThan(40 * MIB);
      expect(measured.bootSeconds).toBeGreaterThan(2);
      expect(measured.firstBootSeconds).toBeLessThan(MEASURE_TIMEOUT_MS / 1000);
      expect(measured.forkMs).toBeLessThan(measured.bootSeconds * 1000);
      expect(measured.cpuMs).toBeGreaterThan(1);
      expect(measured.cpuMs).toBeLessThan(200);
      expect(measured.connections).toBeGreaterThan(0);
      expect(measured.connections).toBeLessThan(100);
      expect(measured.notes).toEqual([]);
      await expectNothingBehind();
      expect(measurements()).toHaveLength(1);
      const kept = readFileSync(
        join(home, '.local/share/webui-tune/measurements', measurements()[0] ?? ''),
        'utf8',
      );
      for (const secret of Object.values(services.secrets)) expect(kept + stderr).not.toContain(secret);
    },
    MEASURE_TIMEOUT_MS,
  );

  it('is what the next plan computes with', async () => {
    const { code, stdout } = await run('--json');
    expect(code).toBe(0);
    const { memory, warnings } = PlanSchema.parse(JSON.parse(stdout));
    expect(memory.measuredAt).toBe(measured.at);
    expect(memory.base).toBe(measured.base);
    expect(memory.worker).toBe(measured.worker + measured.supervisor);
    expect(warnings.join()).not.toContain('measure');
    const day = measured.at.slice(0, 10);
    expect((await run('--explain', 'memory.worker')).stdout).toContain(`measured on this machine on ${day}`);
    expect((await run()).stderr).toContain(`measured on this machine on ${day}`);
  });

  it('is not what a plan under other conditions computes with, and that says so in one line', async () => {
    const { stdout } = await run('--json', '--preset', 'small');
    const { memory, warnings } = PlanSchema.parse(JSON.parse(stdout));
    expect(memory.measuredAt).toBeUndefined();
    const said = warnings.filter((text) => text.includes('webui-tune measure'));
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(/the preset default, not small;/);
  });

  it(
    'ends what it started on Ctrl-C, what a killed one has left, and refuses to run twice at once',
    async () => {
      const kept = measurements();
      const killed = launch();
      await until(isImporting, { what: 'it imports Open WebUI', timeoutMs: PATIENCE_MS });
      const second = await run('measure');
      expect(second.code).toBe(7);
      expect(second.stderr).toContain('another webui-tune measure is running');
      expect(isImporting()).toBe(true);
      killed.child.kill('SIGKILL');
      await killed.ended;
      const left = started();
      // It writes its title over its environment.
      expect(left.some(({ name }) => /^(?:redis|valkey)-serv/.test(name))).toBe(true);

      const stopped = launch();
      const isSwept = () => left.every(({ pid, startTime }) => readProcess(pid)?.startTime !== startTime);
      await until(() => isSwept() && isImporting(), {
        what: 'the next one has ended what was left, and imports',
        timeoutMs: PATIENCE_MS,
      });
      stopped.child.kill('SIGINT');
      const { code, stderr } = await stopped.ended;
      expect(stderr).toContain('stopped by SIGINT; nothing was saved');
      expect(code).toBe(7);
      await expectNothingBehind();
      expect(measurements()).toEqual(kept);
    },
    MEASURE_TIMEOUT_MS,
  );
});
