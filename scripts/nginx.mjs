/**
 * The proxy of the end-to-end tests: finds an nginx, or unpacks Debian's into the cache. Installed as a package it would
 * start at once, on port 80.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { cacheFolder } from './environments.mjs';
import { isExecutable } from './executable.mjs';

const unpacked = () => join(cacheFolder(), 'nginx');

/** Path of an nginx: on PATH, where Debian has it, or the unpacked one. Undefined: there is none. */
export function findNginx() {
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/sbin',
    join(unpacked(), 'usr', 'sbin'),
  ];
  return folders.map((folder) => join(folder, 'nginx')).find(isExecutable);
}

/** The same, after an attempt to unpack it. Throws an error that says what to do. */
export function ensureNginx() {
  const found = findNginx();
  if (found) return found;
  const folder = unpacked();
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const options = { cwd: folder, stdio: ['ignore', process.stderr, process.stderr] };
  const download = () => spawnSync('apt-get', ['download', '-qq', 'nginx'], options).status === 0;
  // A new machine has no list of packages yet.
  if (!download() && process.getuid?.() === 0) {
    spawnSync('apt-get', ['update', '-qq'], options);
    download();
  }
  const archive = readdirSync(folder).find((name) => name.endsWith('.deb'));
  if (archive) spawnSync('dpkg-deb', ['-x', archive, '.'], options);
  const installed = findNginx();
  if (installed) return installed;
  throw new Error('no nginx for the tests of the doctor behind a proxy: install one, and they are run');
}
