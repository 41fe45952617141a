/**
 * Makes a fresh clone ready for its tests: npm's packages, the bundles and the three Python environments.
 * It runs before anything is installed, so it may use nothing but Node's own modules. Everything that is
 * already there is left alone; then it takes as long as the build.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureChromium } from './chromium.mjs';
import { environments } from './environments.mjs';
import { ensureNginx } from './nginx.mjs';
import { prepareProgram } from './start.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const LOG_TAIL_LINES = 20;

const say = (text) => process.stderr.write(`prepare: ${text}\n`);

function run(command, args, stdio) {
  const { status, signal, error } = spawnSync(command, args, { cwd: ROOT, stdio });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${signal ?? `exit code ${status}`}`);
}

/** pip warns about much that is of no interest here; the end of its log says what went wrong. */
function tailOf(log) {
  const lines = readFileSync(log, 'utf8').split('\n');
  const telling = lines.filter((line) => line.trim() !== '' && !line.startsWith('WARNING'));
  return telling.slice(-LOG_TAIL_LINES).join('\n');
}

function createEnvironment(environment, python) {
  if (environment.isComplete()) return; // another process made it while this one waited for the lock
  const log = openSync(environment.log, 'w');
  const stdio = ['ignore', log, log];
  const started = Date.now();
  try {
    rmSync(environment.folder, { recursive: true, force: true });
    say(`${environment.name} with Python ${python.version}; log: ${environment.log}`);
    run(python.command, ['-m', 'venv', environment.folder], stdio);
    for (const requirements of environment.steps) {
      say(`  pip install ${requirements.join(' ')}`);
      run(environment.python, ['-m', 'pip', 'install', ...requirements], stdio);
    }
    if (environment.finish) run(environment.python, [join(ROOT, 'scripts', environment.finish)], stdio);
  } catch (error) {
    say(tailOf(environment.log));
    throw error;
  } finally {
    closeSync(log);
  }
  writeFileSync(environment.marker, `${JSON.stringify(environment.steps)}\n`);
  say(`  done in ${Math.round((Date.now() - started) / 1000)} s`);
}

/**
 * The lock is the kernel's (flock), so that it ends with its holder however that ends: this script calls itself
 * through flock(1) to create one environment.
 */
function ensureEnvironment(key, environment) {
  if (environment.isComplete()) return;
  mkdirSync(dirname(environment.folder), { recursive: true });
  const self = fileURLToPath(import.meta.url);
  const isFree = spawnSync('flock', ['--nonblock', environment.lock, 'true']).status === 0;
  if (!isFree) say(`waiting for another process, which sets up ${environment.name}`);
  run('flock', [environment.lock, process.execPath, self, '--create', key], 'inherit');
}

function main([option, key]) {
  const { python, ...all } = environments();
  if (option === '--create') {
    createEnvironment(all[key], python);
    return;
  }
  prepareProgram();
  for (const ensure of [ensureChromium, ensureNginx]) {
    try {
      ensure();
    } catch (error) {
      // The tests that need it fail, or are skipped aloud.
      say(error.message);
    }
  }
  for (const [name, environment] of Object.entries(all)) ensureEnvironment(name, environment);
}

try {
  main(process.argv.slice(2));
} catch (error) {
  say(error.message);
  process.exitCode = 1;
}
