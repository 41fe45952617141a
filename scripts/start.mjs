/**
 * `npm start`: prepares a fresh clone and runs `webui-tune up` with its own arguments. It runs before anything is
 * installed, so it may use only Node's own modules. With `--wheels DIR`, which `webui-tune fetch` has filled, npm's
 * packages come from there too.
 */
import { spawn, spawnSync } from 'node:child_process';
import {
  accessSync,
  constants,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
/** As in src/setup/python/wheels.ts: npm's cache in the folder, and the file that names its registry. */
const NPM_FOLDER = 'npm';
const MANIFEST = 'webui-tune-wheels.json';

/** As in src/base/errors.ts: something could not be installed. */
const EXIT_SERVICE = 7;

const modifiedAt = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** The folder of the last `--wheels DIR` or `--wheels=DIR`; undefined: there is none. */
export function wheelsOf(words) {
  let folder;
  for (const [index, word] of words.entries()) {
    if (word === '--') break;
    if (word === '--wheels') folder = words[index + 1];
    else if (word.startsWith('--wheels=')) folder = word.slice('--wheels='.length);
  }
  return folder;
}

/** npm's arguments to install the packages; with a folder, without a network. */
export function npmWords(wheels) {
  const words = ['ci', '--no-audit', '--no-fund'];
  if (wheels === undefined) return words;
  const cache = join(wheels, NPM_FOLDER);
  if (!existsSync(cache)) {
    throw new Error(
      `--wheels ${wheels}: it has no folder ${NPM_FOLDER}, which npm start in a clone needs\n` +
        `  webui-tune fetch ${wheels}, in a clone on a machine with a network, fills it`,
    );
  }
  // The cache's keys contain the address of the registry that filled it.
  const manifest = join(wheels, MANIFEST);
  const { registry } = existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')) : {};
  return [...words, '--offline', '--cache', cache, ...(registry ? ['--registry', registry] : [])];
}

/** Runs npm with its output on stderr, because stdout belongs to `webui-tune up`. */
function npm(words) {
  const stdio = ['ignore', process.stderr, process.stderr];
  const { status, signal, error } = spawnSync('npm', words, { cwd: ROOT, stdio });
  if (error) throw error;
  if (status !== 0) throw new Error(`npm ${words.join(' ')}: ${signal ?? `exit code ${status}`}`);
}

/** npm finds nothing in a cache that it cannot write, so it gets a copy of one on a read-only disk. */
export function withWritable(wheels, install) {
  const cache = join(wheels, NPM_FOLDER);
  if (!existsSync(cache) || isWritable(cache)) return install(wheels);
  const copy = mkdtempSync(join(tmpdir(), 'wt-npm-'));
  try {
    cpSync(cache, join(copy, NPM_FOLDER), { recursive: true });
    if (existsSync(join(wheels, MANIFEST))) cpSync(join(wheels, MANIFEST), join(copy, MANIFEST));
    return install(copy);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function isWritable(path) {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Installs npm's packages if they are missing, and builds. */
export function prepareProgram(wheels) {
  // npm writes this file at the end of an install.
  const installed = modifiedAt(join(ROOT, 'node_modules', '.package-lock.json'));
  if (installed < modifiedAt(join(ROOT, 'package-lock.json'))) {
    process.stderr.write('npm ci\n');
    if (wheels === undefined) npm(npmWords(wheels));
    else withWritable(wheels, (folder) => npm(npmWords(folder)));
  }
  npm(['run', '--silent', 'build']);
}

/** Runs `webui-tune up`, and exits like it. A terminal sends signals to both; others are passed on. */
function run(words) {
  const child = spawn(process.execPath, [join(ROOT, 'dist', 'cli.js'), 'up', ...words], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('close', (code, signal) => {
    if (signal === null) process.exitCode = code;
    else {
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    }
  });
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const words = process.argv.slice(2);
  const wheels = wheelsOf(words);
  try {
    prepareProgram(wheels === undefined ? undefined : resolve(wheels));
    run(words);
  } catch (error) {
    process.stderr.write(`error: ${error.message}\n`);
    process.exitCode = EXIT_SERVICE;
  }
}
