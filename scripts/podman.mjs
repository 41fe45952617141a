/** The containers of the end-to-end tests: finds podman and what it needs, or installs Debian's packages. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isExecutable } from './executable.mjs';

/** Debian's packages, and a program of each. runc, because crun refuses to mix control groups of both versions. */
const PROGRAMS = {
  podman: ['podman'],
  runc: ['runc'],
  conmon: ['conmon'],
  iptables: ['iptables'],
  catatonit: ['/usr/libexec/podman/catatonit', 'catatonit'],
  netavark: ['/usr/lib/podman/netavark', '/usr/libexec/podman/netavark'],
  'aardvark-dns': ['/usr/lib/podman/aardvark-dns', '/usr/libexec/podman/aardvark-dns'],
};

const FOLDERS = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];

/** Names of the packages of which no program is here. */
export function missingForPodman() {
  const isHere = (program) =>
    program.startsWith('/')
      ? existsSync(program)
      : FOLDERS.some((folder) => isExecutable(join(folder, program)));
  return Object.entries(PROGRAMS).flatMap(([name, programs]) => (programs.some(isHere) ? [] : [name]));
}

/** Installs what is missing. Throws an error that says what to do. */
export function ensurePodman() {
  if (missingForPodman().length === 0) return;
  if (process.getuid?.() === 0 && FOLDERS.some((folder) => isExecutable(join(folder, 'apt-get')))) {
    const options = {
      stdio: ['ignore', process.stderr, process.stderr],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    };
    const install = () =>
      spawnSync(
        'apt-get',
        ['install', '-y', '-qq', '--no-install-recommends', ...missingForPodman()],
        options,
      );
    // A new machine has no list of packages yet.
    if (install().status !== 0) {
      spawnSync('apt-get', ['update', '-qq'], options);
      install();
    }
  }
  const missing = missingForPodman();
  if (missing.length > 0) {
    throw new Error(
      `no containers for the tests of the Compose file: install ${missing.join(', ')} to run them`,
    );
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) ensurePodman();
