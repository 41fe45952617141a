import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import type { Environment } from '../../base/io/environment.ts';
import { findOnPath, isExecutable } from '../../base/io/path.ts';
import { interpreterOf } from './shebang.ts';

/** An interpreter that Open WebUI may be installed for. */
export interface Candidate {
  /** Absolute, and not resolved: the link in a virtual environment is what makes it one. */
  python: string;
  /** Where it was found, for the report. */
  where: string;
}

export interface Surroundings {
  env: Environment;
  cwd: string;
  home: string;
}

/** Interpreters in the order in which they are asked, each once. */
export function findCandidates({ env, cwd, home }: Surroundings): Candidate[] {
  const found: Candidate[] = [];
  const add = (python: string | undefined, where: string) => {
    if (python === undefined || !isExecutable(python)) return;
    if (!found.some((candidate) => candidate.python === python)) found.push({ python, where });
  };
  const addEnvironment = (folder: string, where: string) => add(pythonIn(folder), where);

  if (env.VIRTUAL_ENV) addEnvironment(env.VIRTUAL_ENV, 'the active virtual environment');
  if (env.CONDA_PREFIX) addEnvironment(env.CONDA_PREFIX, 'the active conda environment');
  for (const name of ['.venv', 'venv']) addEnvironment(join(cwd, name), `./${name}`);
  const command = findOnPath('open-webui', env.PATH);
  if (command !== undefined) add(interpreterOf(command, env.PATH), 'open-webui on PATH');
  for (const folder of pipxFolders(env, home)) addEnvironment(join(folder, 'open-webui'), 'pipx');
  for (const folder of uvFolders(env, home)) addEnvironment(join(folder, 'open-webui'), 'uv tool');
  return found;
}

/**
 * The interpreter that `--python` names: an executable, a command on PATH, or the folder of a virtual environment.
 * Throws TuneError where it is none of them.
 */
export function namedPython(name: string, { env, cwd }: Surroundings): Candidate {
  const path = resolve(cwd, name);
  const where = '--python';
  if (existsSync(path) && statSync(path).isDirectory()) {
    const python = pythonIn(path);
    if (isExecutable(python)) return { python, where };
    throw new TuneError(`--python ${name}: there is no ${python}`, EXIT.openWebui);
  }
  if (isExecutable(path)) return { python: path, where };
  const onPath = name.includes('/') ? undefined : findOnPath(name, env.PATH);
  if (onPath !== undefined) return { python: onPath, where };
  const reason = existsSync(path) ? 'is not an executable file' : 'does not exist';
  throw new TuneError(`--python ${name}: ${path} ${reason}`, EXIT.openWebui);
}

function pythonIn(environment: string): string {
  return process.platform === 'win32'
    ? join(environment, 'Scripts', 'python.exe')
    : join(environment, 'bin', 'python');
}

/** pipx: $PIPX_HOME, its default since 1.2.0, and the older one. */
function pipxFolders(env: Environment, home: string): string[] {
  const folders = [join(home, '.local', 'share', 'pipx', 'venvs'), join(home, '.local', 'pipx', 'venvs')];
  return env.PIPX_HOME ? [join(env.PIPX_HOME, 'venvs'), ...folders] : folders;
}

/** uv: $UV_TOOL_DIR, else below the data folder. */
function uvFolders(env: Environment, home: string): string[] {
  if (env.UV_TOOL_DIR) return [env.UV_TOOL_DIR];
  return [join(env.XDG_DATA_HOME || join(home, '.local', 'share'), 'uv', 'tools')];
}
