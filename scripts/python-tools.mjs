/**
 * Checks the Python half of the package: `node scripts/python-tools.mjs lint|format|types|unit|other-python [PART OF A PATH]`.
 * `other-python`: the tests of the runtime, on the second Python that Open WebUI runs on.
 */
import { execFile, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { environments, otherPythonEnvironment } from './environments.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
/** What Python finds its packages in: the preload process, the migration. */
const PACKAGES = ['src/runtime/preload', 'src/setup/migrate'];
const RUNTIME_TESTS = 'test/preload';
const TESTS = [RUNTIME_TESTS, 'test/migrate'];
const FOLDERS = ['src', 'scripts', 'bench', ...TESTS];

/** Those that take longest begin first, so that no process ends long after the other. */
const LONGEST = ['changes', 'source', 'chats', 'target', 'routes_once', 'local_models', 'seldom_used'];

/** Bytes that the tests of one file may print. */
const LARGEST_OUTPUT = 64 * 1024 * 1024;

const { openWebui, tools } = environments();

/** Python files of the folder, sorted, by their paths in the repository. */
function filesBelow(folder) {
  const entries = readdirSync(join(ROOT, folder), { recursive: true });
  const names = entries.filter((name) => name.endsWith('.py')).sort();
  return names.map((name) => join(folder, name));
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit', encoding: 'utf8', ...options });
  if (result.error) throw result.error;
  if (result.stderr) process.stderr.write(result.stderr);
  if (result.status !== 0) process.exit(result.status ?? 1);
  return result;
}

/** Path of a program in one of the two environments. Throws an error if the environment is not set up. */
function program(environment, name) {
  if (!environment.isComplete()) {
    throw new Error(`${environment.folder} is not set up: run node scripts/prepare.mjs`);
  }
  return join(environment.folder, 'bin', name);
}

const ruff = (...args) => run(program(tools, 'ruff'), args);

/** Runs one file of tests; its output is passed on at its end, so that two do not mix. */
function runTests(python, path) {
  const env = {
    ...process.env,
    // Threads of torch that wait sleep, and do not take the other file's core: 35 s instead of 78 on a busy machine.
    OMP_WAIT_POLICY: 'passive',
    PYTHONPATH: [...PACKAGES, ...TESTS.map((folder) => `${folder}/kit`)]
      .map((folder) => join(ROOT, folder))
      .join(':'),
  };
  return new Promise((resolve, reject) => {
    const args = ['-m', 'unittest', 'discover', '-s', dirname(path), '-p', basename(path)];
    execFile(python, args, { cwd: ROOT, env, maxBuffer: LARGEST_OUTPUT }, (error, stdout, stderr) => {
      process.stderr.write(`${path}\n${stdout}${stderr}`);
      // Python 3.11 reports a run without tests as a success.
      const isRun = /^Ran [1-9]\d* tests? in/m.test(stderr);
      if (error || !isRun)
        reject(new Error(isRun ? `${path} failed` : `${path} has no test that can be run`));
      else resolve();
    });
  });
}

/** All tests in the folders, or those in files whose path contains `part`: two files at a time, each in a process. */
async function unit(environment, folders, part = '') {
  const python = program(environment, 'python');
  const isLong = (path) => LONGEST.includes(basename(path, '_test.py'));
  const paths = folders
    .flatMap(filesBelow)
    .filter((path) => path.endsWith('_test.py') && path.includes(part))
    .sort((a, b) => Number(isLong(b)) - Number(isLong(a)));
  if (paths.length === 0) throw new Error(`no test was found in ${folders.join(', ')}`);
  const failures = [];
  const takeTurns = async () => {
    for (let path = paths.shift(); path !== undefined; path = paths.shift()) {
      await runTests(python, path).catch((error) => failures.push(error.message));
    }
  };
  await Promise.all([takeTurns(), takeTurns()]);
  if (failures.length > 0) throw new Error(failures.join('; '));
}

const COMMANDS = {
  lint: (files) => {
    ruff('check', '--quiet', ...files);
    ruff('format', '--check', '--quiet', ...files);
  },
  format: (files) => {
    ruff('check', '--fix', '--quiet', ...files);
    ruff('format', '--quiet', ...files);
  },
  types: (files) => {
    run(program(tools, 'mypy'), ['--python-executable', program(openWebui, 'python'), ...files]);
  },
};

async function main(name, ...rest) {
  if (name === 'unit') return unit(openWebui, TESTS, ...rest);
  if (name === 'other-python') {
    const otherPython = otherPythonEnvironment();
    if (otherPython?.isComplete()) return unit(otherPython, [RUNTIME_TESTS], ...rest);
    process.stderr.write('skipped: the tests of the runtime on a second Python. This machine has one\n');
    return;
  }
  const command = COMMANDS[name];
  const names = [...Object.keys(COMMANDS), 'unit', 'other-python'];
  if (!command) throw new Error(`expected one of ${names.join(', ')}; got ${name}`);
  command(FOLDERS.flatMap(filesBelow));
}

try {
  await main(...process.argv.slice(2));
} catch (error) {
  console.error(`python-tools: ${error.message}`);
  process.exitCode = 1;
}
