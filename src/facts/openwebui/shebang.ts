import { closeSync, openSync, readSync, realpathSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { findOnPath } from '../../base/io/path.ts';

/** Bytes of a script's beginning that hold its interpreter; pip's longest form has two lines. */
const HEAD_BYTES = 4096;

/**
 * Interpreter of a Python script such as `open-webui`, which pip, pipx and uv install; symbolic links are followed
 * first. Undefined where the file is no such script.
 */
export function interpreterOf(script: string, searchPath: string | undefined): string | undefined {
  try {
    return interpreterIn(readHead(realpathSync(script)), searchPath);
  } catch {
    return undefined;
  }
}

/** The interpreter that the first lines of a script name. */
export function interpreterIn(head: string, searchPath: string | undefined): string | undefined {
  const [first = '', second = ''] = head.split('\n', 2);
  const words = /^#!\s*(.+?)\s*$/.exec(first)?.[1];
  if (words === undefined) return undefined;
  // pip's form for a path that is too long for the kernel, or has a space: '''exec' "/path/python" "$0" "$@"
  const long = /^'''exec'\s+(?:"([^"]+)"|(\S+))\s/.exec(second);
  if (long && /^\/bin\/(?:ba|da)?sh$/.test(words)) return long[1] ?? long[2];
  const env = /^\S*\/env\s+(?:-S\s+)?(\S+)/.exec(words)?.[1];
  if (env !== undefined) return isAbsolute(env) ? env : findOnPath(env, searchPath);
  return isAbsolute(words) ? words : undefined;
}

function readHead(path: string): string {
  const file = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(HEAD_BYTES);
    return buffer.toString('utf8', 0, readSync(file, buffer, 0, HEAD_BYTES, 0));
  } finally {
    closeSync(file);
  }
}
