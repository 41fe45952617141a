/**
 * Programs for tests that Debian packages: finds one, or unpacks its package into the cache. It does not install the
 * package, because that would start a service.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { cacheFolder } from './environments.mjs';
import { isExecutable } from './executable.mjs';

export const unpacked = (packageName) => join(cacheFolder(), packageName);

/** Path of a program: the one on the PATH, Debian's, or the unpacked one. Undefined: there is none. */
export function findProgram(packageName, program = packageName) {
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/sbin',
    ...['sbin', 'bin'].map((folder) => join(unpacked(packageName), 'usr', folder)),
  ];
  return folders.map((folder) => join(folder, program)).find(isExecutable);
}

/** Unpacks the package if the program that it is named after is not there. Throws an error; `purpose`: what needs it. */
export function ensurePackage(packageName, purpose) {
  ensureUnpacked(packageName, purpose, () => findProgram(packageName) !== undefined);
}

/** Unpacks the package if `isThere` does not find what is wanted of it. Throws an error; `purpose`: what needs it. */
export function ensureUnpacked(packageName, purpose, isThere) {
  if (isThere()) return;
  const folder = unpacked(packageName);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const options = { cwd: folder, stdio: ['ignore', process.stderr, process.stderr] };
  const download = () => spawnSync('apt-get', ['download', '-qq', packageName], options).status === 0;
  // A new machine has no list of packages yet.
  if (!download() && process.getuid?.() === 0) {
    spawnSync('apt-get', ['update', '-qq'], options);
    download();
  }
  const archive = readdirSync(folder).find((name) => name.endsWith('.deb'));
  if (archive) spawnSync('dpkg-deb', ['-x', archive, '.'], options);
  if (isThere()) return;
  throw new Error(
    `no ${packageName} for ${purpose}: install one (Debian: apt-get install ${packageName}) to run them`,
  );
}
