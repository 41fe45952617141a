/**
 * `npm run bench:startup`, after `npm run build`: how long `webui-tune` takes to print its file, compared with `node -e
 * 0` and with the Python script that it runs. Median of 20, interleaved; exits with 1 above 400 ms of its own time.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { environments } from '../scripts/environments.mjs';
import { summarize } from '../src/bench/contest/statistics.ts';
import { asInput } from '../src/facts/openwebui/probe.ts';
import { SECRETS_NAME } from '../src/tune/secrets/secrets-file.ts';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const ROUNDS = 20;

/** Milliseconds of `webui-tune`'s own time, without the Python script, which we cannot make faster. */
const LIMIT = 400;

const { openWebui } = environments();
const cli = join(ROOT, 'dist', 'cli.js');
const folder = mkdtempSync(join(tmpdir(), 'webui-tune-bench-'));
const QUESTION = asInput({ envFile: undefined, dataDirs: [], secretsName: SECRETS_NAME });

/** The services of the tests, for a plan with several workers. */
const SERVICES = {
  DATABASE_URL: process.env.WEBUI_TUNE_TEST_POSTGRES ?? 'postgresql://root@127.0.0.1:5432/postgres',
  REDIS_URL: 'redis://127.0.0.1:6379/0',
};

const COMMANDS = {
  'node -e 0': [process.execPath, '-e', '0'],
  'probe.py': [openWebui.python, join(ROOT, 'dist', 'probe.py')],
  'webui-tune': [process.execPath, cli, '--python', openWebui.python],
  'webui-tune with PostgreSQL and Redis': [process.execPath, cli, '--python', openWebui.python],
  'webui-tune --cpus 2 --memory 8GiB': [
    process.execPath,
    cli,
    '--python',
    openWebui.python,
    ...['--cpus', '2', '--memory', '8GiB'],
  ],
  'webui-tune --cpus 256 --memory 512GiB': [
    process.execPath,
    cli,
    '--python',
    openWebui.python,
    ...['--cpus', '256', '--memory', '512GiB'],
  ],
} as const;

function milliseconds([command, ...args]: readonly string[], settings: Record<string, string>): number {
  const started = process.hrtime.bigint();
  const { status, stderr } = spawnSync(command ?? '', args, {
    cwd: folder,
    input: QUESTION,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, HOME: folder, XDG_DATA_HOME: folder, ...settings },
  });
  if (status !== 0) throw new Error(`${[command, ...args].join(' ')}: exit code ${status}\n${stderr}`);
  return Number(process.hrtime.bigint() - started) / 1e6;
}

try {
  const samples = new Map<string, number[]>(Object.keys(COMMANDS).map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, command] of Object.entries(COMMANDS)) {
      samples.get(name)?.push(milliseconds(command, name.endsWith('Redis') ? SERVICES : {}));
    }
  }
  const median = (name: keyof typeof COMMANDS) => summarize(samples.get(name) ?? []).median;
  for (const [name, times] of samples) {
    const { min, median: middle, max } = summarize(times);
    console.log(`${name.padEnd(40)} median ${middle.toFixed(0)} ms (${min.toFixed(0)} to ${max.toFixed(0)})`);
  }
  for (const name of ['webui-tune', 'webui-tune with PostgreSQL and Redis'] as const) {
    const own = median(name) - median('probe.py');
    console.log(`${`${name}, without Python`.padEnd(54)} ${own.toFixed(0)} ms, at most ${LIMIT}`);
    if (own > LIMIT) process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
