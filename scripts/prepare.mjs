/**
 * Prepares a fresh clone for its tests: npm's packages and the bundles (`--package`: these alone), and the Python
 * environments and programs that end-to-end tests run (`--environments`). It runs before anything is installed, so it may
 * use only Node's own modules. It keeps everything that is already there; if nothing is missing, it takes only as long
 * as the build.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureChromium } from './chromium.mjs';
import { cacheFolder, environments, olderEnvironment, otherPythonEnvironment } from './environments.mjs';
import { ensureFaketime } from './faketime.mjs';
import { ensureNginx } from './nginx.mjs';
import { ensurePrometheus } from './prometheus.mjs';
import { prepareProgram } from './start.mjs';
import { ensureUv, uvEnvironment } from './uv.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const LOG_TAIL_LINES = 20;

const say = (text) => process.stderr.write(`prepare: ${text}\n`);

function run(command, args, stdio, env = process.env) {
  const { status, signal, error } = spawnSync(command, args, { cwd: ROOT, stdio, env });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${signal ?? `exit code ${status}`}`);
}

/** The end of the log, which says what went wrong. */
function tailOf(log) {
  const lines = readFileSync(log, 'utf8').split('\n');
  return lines
    .filter((line) => line.trim() !== '')
    .slice(-LOG_TAIL_LINES)
    .join('\n');
}

function createEnvironment(environment) {
  if (environment.isComplete()) return; // another process made it while this one waited for the lock
  const { name, folder, python, command, version } = environment;
  const log = openSync(environment.log, 'w');
  const stdio = ['ignore', log, log];
  const started = Date.now();
  try {
    rmSync(folder, { recursive: true, force: true });
    say(`${name} with Python ${version}; log: ${environment.log}`);
    run(command, ['-m', 'venv', folder], stdio);
    const uv = ensureUv(cacheFolder(), command);
    const env = uvEnvironment(cacheFolder(), command);
    for (const words of environment.steps) {
      say(`  ${name}: uv pip install ${words.join(' ')}`);
      run(uv, ['pip', 'install', '--python', python, ...words], stdio, env);
    }
    if (environment.finish) run(python, [join(ROOT, environment.finish)], stdio);
  } catch (error) {
    say(tailOf(environment.log));
    throw error;
  } finally {
    closeSync(log);
  }
  writeFileSync(environment.marker, `${JSON.stringify(environment.steps)}\n`);
  say(`  ${name}: done in ${Math.round((Date.now() - started) / 1000)} s`);
}

/**
 * The kernel holds the lock (flock), so it is released however its holder ends. To create one environment, this script
 * calls itself through flock(1).
 */
async function ensureEnvironment(environment, ...option) {
  if (environment.isComplete()) return;
  mkdirSync(dirname(environment.folder), { recursive: true });
  const self = fileURLToPath(import.meta.url);
  const isFree = spawnSync('flock', ['--nonblock', environment.lock, 'true']).status === 0;
  if (!isFree) say(`waiting for another process that sets up ${environment.name}`);
  const child = spawn('flock', [environment.lock, process.execPath, self, ...option], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${environment.name} cannot be set up`);
}

async function main([option, key]) {
  const { python, ...own } = environments();
  const otherPython = otherPythonEnvironment();
  const all = { ...own, ...(otherPython && { otherPython }) };
  if (option === '--create') {
    createEnvironment(all[key]);
    return;
  }
  if (option === '--create-older') {
    createEnvironment(olderEnvironment(key));
    return;
  }
  if (option === '--older') {
    await ensureEnvironment(olderEnvironment(key), '--create-older', key);
    return;
  }
  if (option === '--package') {
    prepareProgram();
    return;
  }
  // Before those that need it do the same, beside each other.
  if (Object.values(all).some((one) => !one.isComplete())) ensureUv(cacheFolder(), python.command);
  // What installs waits for disks and networks: meanwhile this process does the rest, without a word to it.
  const made = Promise.allSettled(
    Object.entries(all).map(async ([name, environment]) => {
      try {
        await ensureEnvironment(environment, '--create', name);
      } catch (error) {
        if (!environment.optionalFor) throw error;
        say(`${error.message}; skipped without it: ${environment.optionalFor}`);
      }
    }),
  );
  try {
    if (option !== '--environments') prepareProgram();
    for (const ensure of [ensureChromium, ensureNginx, ensurePrometheus, ensureFaketime]) {
      try {
        ensure();
      } catch (error) {
        // The tests that need it fail, or are skipped with a notice.
        say(error.message);
      }
    }
  } finally {
    for (const { reason } of await made) {
      if (!reason) continue;
      say(reason.message);
      process.exitCode = 1;
    }
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  say(error.message);
  process.exitCode = 1;
}
