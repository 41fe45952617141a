/** Checks the Python half of the package: `node scripts/python-tools.mjs lint|format|types|unit`. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { environments } from './environments.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const PRELOAD = 'src/runtime/preload';
const TESTS = 'test/preload';
const FOLDERS = ['src', 'scripts', TESTS];

const { openWebui, tools } = environments();

function pythonFiles() {
  return FOLDERS.flatMap((folder) => {
    try {
      const entries = readdirSync(join(ROOT, folder), { recursive: true });
      return entries.filter((name) => name.endsWith('.py')).map((name) => join(folder, name));
    } catch (error) {
      if (error.code === 'ENOENT') return [];
      throw error;
    }
  });
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit', encoding: 'utf8', ...options });
  if (result.error) throw result.error;
  if (result.stderr) process.stderr.write(result.stderr);
  if (result.status !== 0) process.exit(result.status ?? 1);
  return result;
}

/** A program of one of the two environments, which has to be there. */
function program(environment, name) {
  if (!environment.isComplete()) {
    throw new Error(`${environment.folder} is not set up: run node scripts/prepare.mjs`);
  }
  return join(environment.folder, 'bin', name);
}

const ruff = (...args) => run(program(tools, 'ruff'), args);

function unit() {
  const { stderr } = run(
    program(openWebui, 'python'),
    ['-m', 'unittest', 'discover', '-s', TESTS, '-p', '*_test.py'],
    {
      env: { ...process.env, PYTHONPATH: join(ROOT, PRELOAD) },
      stdio: ['ignore', 'inherit', 'pipe'],
    },
  );
  // Python 3.11 calls an empty run a success.
  if (!/^Ran [1-9]\d* tests? in/m.test(stderr)) throw new Error(`no test was found in ${TESTS}`);
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

function main(name) {
  if (name === 'unit') return unit();
  const command = COMMANDS[name];
  if (!command) throw new Error(`expected one of ${Object.keys(COMMANDS).join(', ')}, unit; got ${name}`);
  const files = pythonFiles();
  if (files.length > 0) command(files);
}

try {
  main(process.argv[2]);
} catch (error) {
  console.error(`python-tools: ${error.message}`);
  process.exitCode = 1;
}
