import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, TuneError } from '../errors.ts';
import { requireRoom } from '../io/room.ts';
import { runProgram, tailOf } from '../io/run.ts';
import { makePrivateFolder, writeAtomically } from '../io/write.ts';
import { findCandidates, namedPython } from '../openwebui/candidates.ts';
import { findOnPath } from '../openwebui/path.ts';
import { probe } from '../openwebui/probe.ts';
import { isSupportedPython } from '../openwebui/versions.ts';
import type { Environment } from '../types.ts';
import { GIB } from '../units.ts';
import { pipInstallPackages, pipTook } from './pip.ts';
import type { Setup } from './setup.ts';
import type { Step } from './step.ts';

/** What is installed: the versions that this one was tested with. */
const OPEN_WEBUI = 'open-webui[postgres]>=0.12.4,<0.13';

/** Bytes: 3.0 GB when installed, and as much again while pip unpacks (measured: 2.9 GB, its largest wheel 0.2). */
const ROOM = 5 * GIB;

/** PyTorch's own index of builds without CUDA; PyPI's builds for Linux bring 19 packages and several GB of it. */
const CPU_TORCH = 'https://download.pytorch.org/whl/cpu';

/** Commands that may be a Python to make an environment with, the best first. */
const PYTHONS = ['python3.11', 'python3.12', 'python3', 'python'];

/** In our environment; written last, so that one without it is half an install. */
const MARKER = 'webui-tune.json';

const QUESTION = { envFile: undefined, dataDirs: [], secretsName: '' };

/** The environment that `up` makes where there is none. */
export function ownEnvironment(folder: string): {
  folder: string;
  python: string;
  isComplete: () => boolean;
} {
  const own = join(folder, 'venv');
  return {
    folder: own,
    python: join(own, 'bin', 'python'),
    isComplete: () => existsSync(join(own, MARKER)) && existsSync(join(own, 'bin', 'python')),
  };
}

export function pythonStep(setup: Setup): Step {
  const own = ownEnvironment(setup.folder);
  return {
    name: 'Open WebUI',
    check: async () => {
      const found = await findEnvironment(setup);
      if (found === undefined) return undefined;
      useEnvironment(setup, found);
      const { plan } = await setup.tuned();
      return `${plan.openWebui.version}, Python ${plan.openWebui.python}: ${found}`;
    },
    describe: () =>
      existsSync(own.folder)
        ? `go on installing ${OPEN_WEBUI} into ${own.folder}`
        : `make a Python environment in ${own.folder} and install ${OPEN_WEBUI} (3 GB, from PyPI)`,
    run: async (progress) => {
      const took = await makeEnvironment(setup, progress);
      useEnvironment(setup, own.python);
      const { plan } = await setup.tuned();
      return `${plan.openWebui.version}, Python ${plan.openWebui.python}: ${own.python}; ${pipTook(took)}`;
    },
  };
}

/** Later questions must not search again, and find another one. */
function useEnvironment(setup: Setup, python: string): void {
  if (setup.remembered.options.python !== python) {
    setup.remembered.options.python = python;
    setup.changed();
  }
  setup.hasOpenWebui = true;
}

/** The interpreter that has Open WebUI: the named one, ours, or one that is found. Undefined: there is none yet. */
async function findEnvironment(setup: Setup): Promise<string | undefined> {
  const { surroundings } = setup;
  const own = ownEnvironment(setup.folder);
  const named = setup.remembered.options.python;
  if (named !== undefined && named !== own.python) {
    const candidate = namedPython(named, surroundings);
    if (candidate.python === setup.knownPython) return candidate.python;
    const answer = await probe(candidate.python, QUESTION, surroundings);
    // Without Open WebUI it is the one to make an environment with.
    if (answer.package) return candidate.python;
    return own.isComplete() ? own.python : undefined;
  }
  if (own.isComplete()) return own.python;
  for (const { python } of findCandidates(surroundings)) {
    const answer = await probe(python, QUESTION, surroundings).catch(() => undefined);
    if (answer?.package?.python_supported) return python;
  }
  return undefined;
}

/** Returns the milliseconds that were pip's own. */
async function makeEnvironment(setup: Setup, progress: (text: string) => void): Promise<number> {
  const { env, folder } = setup;
  const own = ownEnvironment(folder);
  const base = await findBasePython(setup);
  makePrivateFolder(folder);
  requireRoom(folder, ROOM, 'Open WebUI');
  if (!(await runs(own.python, env))) {
    progress(`a new environment with ${base}`);
    // Ours, and nothing in it runs: what pip has downloaded is in its cache, not here.
    rmSync(own.folder, { recursive: true, force: true });
    await makeVenv(base, own.folder, env);
  }
  const pip = { env, progress, log: setup.log('pip') };
  // From 25.1 on, pip goes on where a download broke off.
  let took = await pipInstallPackages(own.python, ['--upgrade', 'pip>=25.1'], pip);
  const newPip = { ...pip, tellsProgress: true };
  for (const args of torchArguments(setup.given.torchIndex, hasGpu(), process.platform)) {
    took += await pipInstallPackages(own.python, args, newPip);
  }
  took += await pipInstallPackages(own.python, [OPEN_WEBUI], newPip);
  writeAtomically(join(own.folder, MARKER), `${JSON.stringify({ installed: OPEN_WEBUI })}\n`, 0o644);
  return took;
}

/** The first step of pip’s, for the build of torch that this machine can use; the second one then leaves it alone. */
export function torchArguments(index: string | undefined, gpu: boolean, platform: string): string[][] {
  if (index === 'default') return [];
  if (index !== undefined) return [['torch', '--index-url', index]];
  return platform === 'linux' && !gpu ? [['torch', '--index-url', CPU_TORCH]] : [];
}

/** NVIDIA’s driver, or AMD’s. */
function hasGpu(): boolean {
  return existsSync('/proc/driver/nvidia/version') || existsSync('/dev/kfd');
}

/** A Python that Open WebUI runs on and that can make environments. Throws TuneError that lists what there is. */
async function findBasePython({ remembered, surroundings, env }: Setup): Promise<string> {
  const named = remembered.options.python;
  const commands = named === undefined ? PYTHONS : [namedPython(named, surroundings).python];
  const seen: string[] = [];
  for (const command of commands) {
    const path = command.includes('/') ? command : findOnPath(command, env.PATH);
    if (path === undefined) continue;
    const version = await versionOf(path, env);
    if (version === undefined) seen.push(`${path} does not run`);
    else if (isSupportedPython(version)) return path;
    else seen.push(`${path} is ${version}`);
  }
  const there = seen.length > 0 ? seen.join(', ') : 'no Python on PATH';
  throw new TuneError(`Open WebUI needs Python 3.11 or 3.12: ${there}`, EXIT.openWebui, [
    'Debian, Ubuntu: apt install python3 python3-venv (where that is 3.11 or 3.12); macOS: brew install python@3.12',
    'anywhere, without root: https://docs.astral.sh/uv has "uv python install 3.12"',
    'then run webui-tune up again, with --python /path/to/python3.12 if it is not on PATH',
  ]);
}

async function versionOf(python: string, env: Environment): Promise<string | undefined> {
  const script = 'import sys; print(".".join(map(str, sys.version_info[:3])))';
  try {
    const { code, output } = await runProgram(python, ['-c', script], { env });
    return code === 0 ? output.trim().split('\n').at(-1) : undefined;
  } catch {
    return undefined;
  }
}

async function runs(python: string, env: Environment): Promise<boolean> {
  if (!existsSync(python)) return false;
  const result = await runProgram(python, ['-m', 'pip', '--version'], { env }).catch(() => undefined);
  return result?.code === 0;
}

async function makeVenv(base: string, folder: string, env: Environment): Promise<void> {
  const { code, output } = await runProgram(base, ['-m', 'venv', folder], { env });
  if (code === 0) return;
  rmSync(folder, { recursive: true, force: true });
  const mend = /ensurepip|No module named venv/.test(output)
    ? ['Debian, Ubuntu: apt install python3-venv; then run webui-tune up again']
    : [];
  throw new TuneError(`${base} -m venv ${folder} failed:\n${tailOf(output)}`, EXIT.openWebui, mend);
}
