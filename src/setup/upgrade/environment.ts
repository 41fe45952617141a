import {
  accessSync,
  constants,
  existsSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import type { Environment } from '../../base/io/environment.ts';
import { namesIn } from '../../base/io/read.ts';
import { runProgram, tailOf } from '../../base/io/run.ts';
import { statOrUndefined } from '../../base/io/stat.ts';
import { flushFolder, writeAtomically } from '../../base/io/write.ts';
import { PROGRAM_ENDING_WITH_US } from '../python/ending-with-us.ts';

/*
 * A virtual environment is upgraded beside the one that serves: in a copy, which then takes its name. So the outage does not
 * wait for pip, and going back is a change of names.
 */

/** statfs(2): a folder of an image's layer cannot be renamed in a container. */
const OVERLAYFS = 0x794c7630;

/** What lies beside an environment: the one that is made, and later the one that was replaced. */
const madeOf = (folder: string) => `${folder}.webui-tune-new`;
const replacedOf = (folder: string) => `${folder}.webui-tune-old`;

/** The interpreter of the environment that is made. */
export function madePython(folder: string, python: string): string {
  return join(madeOf(folder), 'bin', basename(python));
}

/**
 * The folder of the virtual environment of an interpreter, where it can be replaced as a whole; undefined: pip has to change it
 * in place. `inside` are paths that must not be in it: what is written there meanwhile would be in one of the two alone.
 */
export function replaceableEnvironment(python: string, inside: readonly string[]): string | undefined {
  if (!existsSync(join(dirname(dirname(python)), 'pyvenv.cfg'))) return undefined;
  const folder = realpathSync(dirname(dirname(python)));
  const parent = dirname(folder);
  if (statSync(folder).dev !== statSync(parent).dev || statfsSync(folder).type === OVERLAYFS)
    return undefined;
  if (inside.some((path) => isBelow(folder, path))) return undefined;
  try {
    accessSync(parent, constants.W_OK);
    accessSync(folder, constants.W_OK);
    return folder;
  } catch {
    return undefined;
  }
}

function isBelow(folder: string, path: string): boolean {
  let at = path;
  while (!statOrUndefined(at) && at !== dirname(at)) at = dirname(at);
  return !relative(folder, realpathSync(at)).startsWith('..');
}

/**
 * Copies an environment, whose files take no room as long as they are the same: they are linked where the disk can, for pip
 * replaces files and never changes one. Throws TuneError.
 */
export async function copyEnvironment(folder: string, python: string, env: Environment): Promise<void> {
  removeBeside(folder);
  const made = madeOf(folder);
  const copy = (words: readonly string[]) =>
    runProgram(python, ['-c', PROGRAM_ENDING_WITH_US, 'cp', ...words, '--', folder, made], { env });
  const linked = await copy(['-a', '-l']);
  if (linked.code === 0) return;
  // Some file systems have no links, and some systems allow none to the files of another account.
  rmSync(made, { recursive: true, force: true });
  const { code, output } = await copy(['-a']);
  if (code === 0) return;
  rmSync(made, { recursive: true, force: true });
  throw new TuneError(`${folder} cannot be copied:\n${tailOf(output)}`, EXIT.output);
}

/**
 * Lets the programs of the new environment start by the name that it will have, and has all of it on disk before it gets that
 * name: after a power failure, a journal that says so must be right.
 */
export async function finishEnvironment(folder: string, python: string, env: Environment): Promise<void> {
  renamePrograms(folder);
  await runProgram(python, ['-c', 'import os; os.sync()'], { env });
}

function renamePrograms(folder: string): void {
  const bin = join(madeOf(folder), 'bin');
  const [from, to] = [`${madeOf(folder)}/`, `${folder}/`];
  for (const name of namesIn(bin)) {
    const path = join(bin, name);
    const found = statOrUndefined(path);
    if (!found?.isFile() || found.size > LARGEST_SCRIPT) continue;
    const text = readFileSync(path, 'utf8');
    if (text.startsWith('#!') && text.includes(from)) {
      writeAtomically(path, text.replaceAll(from, to), found.mode & 0o777);
    }
  }
}

/** Bytes: what pip makes has some 300. */
const LARGEST_SCRIPT = 65_536;

/**
 * Gives the name to the new environment, or back to the old one. May be called again where it was interrupted; nobody may be
 * running in it. Throws Node's system errors.
 */
export function exchangeEnvironments(folder: string, direction: 'forward' | 'back'): void {
  const [made, replaced] = [madeOf(folder), replacedOf(folder)];
  const [comes, goes] = direction === 'forward' ? [made, replaced] : [replaced, made];
  if (!existsSync(comes)) return;
  if (existsSync(folder)) renameSync(folder, goes);
  renameSync(comes, folder);
  flushFolder(dirname(folder));
}

/** Removes what is beside the environment: the one that was not taken, or that was replaced. */
export function removeBeside(folder: string): void {
  // What it would remove may be all that there is.
  if (!existsSync(folder)) throw new Error(`${folder} is not there`);
  for (const path of [madeOf(folder), replacedOf(folder)]) rmSync(path, { recursive: true, force: true });
}
