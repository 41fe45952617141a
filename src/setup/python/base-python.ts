import { EXIT, TuneError } from '../../base/errors.ts';
import type { Environment } from '../../base/io/environment.ts';
import { findOnPath } from '../../base/io/path.ts';
import { runProgram } from '../../base/io/run.ts';
import { namedPython } from '../../facts/openwebui/candidates.ts';
import { isSupportedPython } from '../../facts/openwebui/versions.ts';
import type { Setup } from '../up/setup.ts';
import { type Wheels, whyNot } from './wheels.ts';

/** Commands that may be a Python to make an environment with, the best first: on 3.12 workers share more (docs/planning.md). */
const PYTHONS = ['python3.12', 'python3.11', 'python3', 'python'];

/** Commands of Pythons that can at least run pip, and with it fetch uv. */
const ANY_PYTHONS = [...PYTHONS, 'python3.13', 'python3.14', 'python3.15', 'python3.10', 'python3.9'];

export interface Python {
  path: string;
  /** 3.12.1 */
  version: string;
}

export interface BasePythons {
  /** Those that an environment can be made with, the best first. */
  fit: readonly Python[];
  /** The others, with what is wrong with each, for people. */
  unfit: readonly string[];
}

/**
 * Pythons on PATH, or the one that `--python` names, that Open WebUI runs on, and the wheels at hand, if there are any.
 */
export async function findBasePythons(
  { remembered, surroundings, env }: Pick<Setup, 'remembered' | 'surroundings' | 'env'>,
  wheels?: Wheels,
): Promise<BasePythons> {
  const named = remembered.options.python;
  const commands = named === undefined ? PYTHONS : [namedPython(named, surroundings).python];
  const fit: Python[] = [];
  const unfit: string[] = [];
  for (const { path, version } of await ask(commands, env)) {
    if (version === undefined) unfit.push(`${path} does not run`);
    else if (!isSupportedPython(version)) unfit.push(`${path} is ${version}`);
    else {
      const reason = wheels && whyNot(wheels, version);
      if (reason === undefined) fit.push({ path, version });
      else unfit.push(`${path} is ${version}, and ${reason}`);
    }
  }
  return { fit, unfit };
}

/** Every Python 3 on PATH, whatever its version: for programs that pip installs. */
export async function anyPythons(env: Environment): Promise<Python[]> {
  const seen = await ask(ANY_PYTHONS, env);
  return seen.flatMap(({ path, version }) => (version?.startsWith('3.') ? [{ path, version }] : []));
}

async function ask(
  commands: readonly string[],
  env: Environment,
): Promise<{ path: string; version: string | undefined }[]> {
  const paths = commands.map((command) => (command.includes('/') ? command : findOnPath(command, env.PATH)));
  const there = paths.filter((path) => path !== undefined);
  return Promise.all(there.map(async (path) => ({ path, version: await versionOf(path, env) })));
}

async function versionOf(python: string, env: Environment): Promise<string | undefined> {
  const script = 'import sys; print(".".join(map(str, sys.version_info[:3])))';
  try {
    const { code, stdout } = await runProgram(python, ['-c', script], { env });
    return code === 0 ? stdout.trim().split('\n').at(-1) : undefined;
  } catch {
    return undefined;
  }
}

/** 3.12 of 3.12.1 */
export function minorOf(version: string): string {
  return version.split('.').slice(0, 2).join('.');
}

/** The error where nothing helped: what there is, what was tried, and what the user can do. */
export function noPython(unfit: readonly string[], tried: readonly string[]): TuneError {
  const there = unfit.length > 0 ? unfit.join(', ') : 'no Python on PATH';
  const attempts = tried.map((line) => `\n  ${line.replaceAll('\n', '\n    ')}`).join('');
  return new TuneError(
    `Open WebUI needs Python 3.11 or 3.12: ${there}${attempts === '' ? '' : `; tried to get one:${attempts}`}`,
    EXIT.openWebui,
    [
      'Debian, Ubuntu: apt install python3 python3-venv (where that is 3.11 or 3.12); macOS: brew install python@3.12',
      'with uv (https://docs.astral.sh/uv) on PATH, webui-tune gets one itself; UV_PYTHON_INSTALL_MIRROR names a mirror of its builds',
      'by hand: uv python install 3.12',
      'then run webui-tune up again, with --python /path/to/python3.12 if it is not on PATH',
    ],
  );
}
