import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { EXIT, systemCode, TuneError } from '../base/errors.ts';
import { statOrUndefined } from '../base/io/stat.ts';
import { writeAtomically } from '../base/io/write.ts';
import { BENCH_HEADER } from '../render/bench-header.ts';
import { COMPOSE_HEADER, HEADER, HELM_HEADER, SYSTEMD_HEADER } from '../render/first-lines.ts';
import { ENV } from '../runtime/contract.ts';

/** Everyone may read the file, because it holds no secret. */
const MODE = 0o644;

/** A file that begins with one of these is ours. */
const FIRST_LINES = [HEADER, HELM_HEADER, COMPOSE_HEADER, SYSTEMD_HEADER, BENCH_HEADER];

/** Words for the codes of system errors. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space left',
  ENOENT: 'the folder does not exist',
  ENOTDIR: 'a part of the path is not a folder',
  ENAMETOOLONG: 'the name is too long',
};

/**
 * Checks that `path` may be written, before anything else is done. Throws TuneError for a folder, for a missing parent, and,
 * unless `force`, for a file that we did not write.
 */
export function checkOutput(path: string, force: boolean): void {
  const parent = statOrUndefined(dirname(path));
  if (!parent) throw cannot(path, `${dirname(path)} does not exist`);
  if (!parent.isDirectory()) throw cannot(path, `${dirname(path)} is not a folder`);
  const present = statOrUndefined(path);
  if (!present) return;
  if (present.isDirectory()) throw cannot(path, 'it is a folder');
  if (force) return;
  if (!present.isFile()) throw cannot(path, 'it is not a regular file');
  if (!isOurs(path)) {
    throw new TuneError(`webui-tune did not write ${path}, and leaves it as it is`, EXIT.output, [
      'choose another --out, or add --force to overwrite it',
    ]);
  }
}

/** Writes the rendered file. Throws TuneError. */
export function writeOutput(path: string, text: string): void {
  try {
    writeAtomically(path, text, MODE);
  } catch (error) {
    throw cannot(path, reasonOf(error));
  }
}

function isOurs(path: string): boolean {
  try {
    const text = readFileSync(path, 'utf8');
    return FIRST_LINES.some((line) => text.startsWith(line)) || isOurJson(text);
  } catch (error) {
    throw cannot(path, reasonOf(error));
  }
}

/** JSON has no comments, but only our files have this variable. */
function isOurJson(text: string): boolean {
  return text.startsWith('{') && text.includes(`"${ENV.controlSocket}":`);
}

function reasonOf(error: unknown): string {
  return REASONS[systemCode(error) ?? ''] ?? String(error);
}

function cannot(path: string, reason: string): TuneError {
  return new TuneError(`${path} cannot be written: ${reason}`, EXIT.output);
}
