import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import { requireDiskSpace } from '../../base/io/disk-space.ts';
import type { Environment } from '../../base/io/environment.ts';
import { runProgram, tailOf } from '../../base/io/run.ts';
import { makePrivateFolder, writeAtomically } from '../../base/io/write.ts';
import { GIB } from '../../base/units.ts';
import { findCandidates, namedPython } from '../../facts/openwebui/candidates.ts';
import { probe } from '../../facts/openwebui/probe.ts';
import { findBasePythons, noPython } from '../python/base-python.ts';
import { compilePackages, LEAVE_UNCOMPILED } from '../python/compile.ts';
import { NoSuchPackage } from '../python/explain-pip.ts';
import { bringPython } from '../python/own-python.ts';
import { type PipOptions, pipInstallPackages, pipTook } from '../python/pip.ts';
import { chooseTorch, type Torch, type TorchWishes } from '../python/torch.ts';
import { whyNot } from '../python/wheels.ts';
import type { Setup } from './setup.ts';
import type { Step } from './step.ts';

/** What is installed: the versions that this one was tested with. */
export const OPEN_WEBUI = 'open-webui[postgres]>=0.12.4,<0.13';

/** Bytes: 3.0 GB when installed, and as much again while pip unpacks (measured: 2.9 GB, its largest wheel 0.2). */
const SPACE = 5 * GIB;

/** Bytes to download of the build with CUDA, where the index does not say: torch 2.14.1's 29 packages have 3.0 GB. */
const LARGE = 3 * GIB;

/** The first that resumes a broken download. */
export const PIP = 'pip>=25.1';

/** File in our environment. It is written last: an environment without it is incomplete. */
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
      // An incomplete folder is reported before anything is done.
      setup.requireWheels();
      const found = await findEnvironment(setup);
      if (found === undefined) return undefined;
      useEnvironment(setup, found);
      const { plan } = await setup.tuned();
      return `${plan.openWebui.version}, Python ${plan.openWebui.python}: ${found}`;
    },
    describe: () =>
      existsSync(own.folder)
        ? `resume installing ${OPEN_WEBUI} into ${own.folder}`
        : `make a Python environment in ${own.folder} and install ${OPEN_WEBUI} (3 GB, from ${setup.given.wheels ?? 'PyPI'})`,
    run: async (progress) => {
      const { torch, took } = await makeEnvironment(setup, progress);
      useEnvironment(setup, own.python);
      const { plan } = await setup.tuned();
      return `${plan.openWebui.version}, Python ${plan.openWebui.python}, torch ${torch}: ${own.python}; ${pipTook(took)}`;
    },
  };
}

/** Remembers it, so that later questions do not search again and find another one. */
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
    // An interpreter without Open WebUI is the one to make an environment with.
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

/** Resumes an earlier run. Returns the build of torch, and the milliseconds that pip and compiling took. Throws TuneError. */
export async function makeEnvironment(
  setup: Setup,
  progress: (text: string) => void,
): Promise<{ torch: string; took: number }> {
  const { folder } = setup;
  const own = ownEnvironment(folder);
  const options = setup.pip('pip', progress);
  requireDiskSpace(folder, SPACE, 'Open WebUI');
  if (!(await isUsable(own.python, setup))) await makeNew(own.folder, setup, progress);
  const pip = await newerPip(own.python, options);
  let { took } = pip;
  progress('which torch there is');
  const torch = await chooseTorch({ python: own.python, ...options }, torchWishes(setup));
  if (torch.large) requireSpaceForLarge(folder, torch);
  // Repeated in each line, because torch takes most of the time and the space.
  const prefix = torch.large ? `${torch.text}: ` : '';
  const newPip = {
    ...options,
    tellsProgress: pip.tellsProgress,
    progress: (text: string) => progress(`${prefix}${text}`),
  };
  const [requirement, ...index] = torch.args;
  if (requirement !== undefined) {
    progress(torch.text);
    took += await pipInstallPackages(own.python, [LEAVE_UNCOMPILED, requirement, ...index], newPip);
  }
  // Named again, so that pip does not replace it with another build.
  const pinned = requirement?.includes('==') ? [requirement] : [];
  took += await pipInstallPackages(own.python, [LEAVE_UNCOMPILED, ...pinned, OPEN_WEBUI], newPip);
  progress('compiling the packages');
  took += await compilePackages(own.python, options.env);
  const marker: EnvironmentMarker = {
    installed: OPEN_WEBUI,
    torch: await installedTorch(own.python, options.env),
  };
  writeAtomically(join(own.folder, MARKER), `${JSON.stringify(marker)}\n`, 0o644);
  return { torch: marker.torch, took };
}

/**
 * From 25.1 on, pip resumes a download that broke off. An older one does where pip's sources have no newer: then a
 * download is not resumed, and nothing tells how far it is.
 */
async function newerPip(
  python: string,
  options: PipOptions,
): Promise<{ took: number; tellsProgress: boolean }> {
  try {
    return { took: await pipInstallPackages(python, ['--upgrade', PIP], options), tellsProgress: true };
  } catch (error) {
    if (!(error instanceof NoSuchPackage)) throw error;
    return { took: 0, tellsProgress: false };
  }
}

/** What `up` says of an environment that it made. */
export interface EnvironmentMarker {
  /** pip's requirement. */
  installed: string;
  /** The installed build, such as 2.13.0+cpu. */
  torch: string;
}

/** Throws TuneError where the large build does not fit. */
export function requireSpaceForLarge(folder: string, { text, large }: Torch, free?: number): void {
  const bytes = large?.bytes ?? LARGE;
  // In pip's cache and its temporary folder, then unpacked. Measured with 3.0 GB: 8.1 GB in the end, the cache
  // included.
  requireDiskSpace(folder, SPACE + 2 * bytes, text, free);
}

export function torchWishes(setup: Setup): TorchWishes {
  const { torchIndex, wheels } = setup.given;
  return {
    // With --wheels there is one source.
    index: wheels === undefined ? torchIndex : undefined,
    gpu: hasGpu(),
    platform: process.platform,
    offline: wheels !== undefined,
  };
}

/** NVIDIA’s driver, or AMD’s. */
function hasGpu(): boolean {
  return existsSync('/proc/driver/nvidia/version') || existsSync('/dev/kfd');
}

/**
 * A new environment, with the first Python that can make one. Throws TuneError that lists what there is and was tried.
 */
export async function makeNew(folder: string, setup: Setup, progress: (text: string) => void): Promise<void> {
  const { env, wheels } = setup;
  const { fit, unfit } = await findBasePythons(setup, wheels);
  const problems = [...unfit];
  const tried: string[] = [];
  for (const { path } of fit) {
    progress(`a new environment with ${path}`);
    makePrivateFolder(setup.folder);
    const problem = await makeVenv(path, folder, env);
    if (problem === undefined) return;
    problems.push(problem);
  }
  // A named one is used, or none.
  if (setup.remembered.options.python !== undefined) throw noPython(problems, tried);
  const pip = setup.pip('pip-uv', progress);
  const version = wheels?.pythons.at(-1);
  const options = { folder: setup.folder, env, pip, progress, wheels, version };
  const path = await bringPython(options, tried);
  if (path === undefined) throw noPython(problems, tried);
  const problem = await makeVenv(path, folder, env);
  if (problem !== undefined) throw noPython(problems, [...tried, problem]);
}

/** Whether an environment of an earlier run works, and suits the wheels at hand. */
async function isUsable(python: string, { env, wheels }: Setup): Promise<boolean> {
  if (!existsSync(python)) return false;
  const script = 'import sys, pip; print("%d.%d.%d" % sys.version_info[:3])';
  const result = await runProgram(python, ['-c', script], { env }).catch(() => undefined);
  if (result?.code !== 0) return false;
  return wheels === undefined || whyNot(wheels, result.stdout.trim()) === undefined;
}

/**
 * Makes an environment and replaces what is there: nothing in it runs, and pip keeps its downloads in another folder.
 * Returns a problem.
 */
async function makeVenv(base: string, folder: string, env: Environment): Promise<string | undefined> {
  rmSync(folder, { recursive: true, force: true });
  const { code, output } = await runProgram(base, ['-m', 'venv', folder], { env, umask: 0o022 });
  if (code === 0) return undefined;
  rmSync(folder, { recursive: true, force: true });
  return /ensurepip|No module named venv/.test(output)
    ? `${base} has no ensurepip (Debian, Ubuntu: apt install python3-venv)`
    : `${base} -m venv ${folder} failed:\n${tailOf(output)}`;
}

async function installedTorch(python: string, env: Environment): Promise<string> {
  const script = 'from importlib.metadata import version; print(version("torch"))';
  const { code, stdout, output } = await runProgram(python, ['-c', script], { env });
  if (code !== 0) throw new TuneError(`torch was not installed:\n${tailOf(output)}`, EXIT.openWebui);
  return stdout.trim();
}
