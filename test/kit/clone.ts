/** A fresh clone of what is tested, and the commands that the README gives its reader. */
import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './environment.ts';

/** Copies what a clone would have: all files that git knows or would add, and nothing that was built or installed. */
export function makeClone(folder: string): void {
  const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  for (const name of list.split('\0').filter(Boolean)) {
    cpSync(join(ROOT, name), join(folder, name), { force: true, dereference: false });
  }
}

/** The commands that the README gives its reader, line by line, in its order. */
export function readmeCommands(): string[] {
  return readFileSync(join(ROOT, 'README.md'), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('    '))
    .map((line) => line.trim());
}
