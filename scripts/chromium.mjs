/**
 * The browser of the end-to-end tests: finds one, or installs Debian's. `node scripts/chromium.mjs` prints its path. If
 * neither is possible, it says what to do and fails; so do the tests that need a browser.
 */
import { spawnSync } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isExecutable } from './executable.mjs';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** Path of a Chromium: $WEBUI_TUNE_TEST_CHROMIUM, or the one on the PATH. Undefined: there is none. */
export function findChromium() {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const onPath = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  return [process.env.WEBUI_TUNE_TEST_CHROMIUM, ...onPath].find((path) => path && isExecutable(path));
}

/** Path of a Chromium, installed if there is none. Throws an error that says what to do. */
export function ensureChromium() {
  const found = findChromium();
  if (found) return found;
  if (process.getuid?.() === 0 && findProgram('apt-get')) {
    const options = { stdio: ['ignore', process.stderr, process.stderr] };
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    spawnSync('apt-get', ['update', '-qq'], { ...options, env });
    spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'], {
      ...options,
      env,
    });
  }
  const installed = findChromium();
  if (installed) return installed;
  throw new Error(
    'no Chromium for the browser tests: install one (Debian: apt-get install chromium), or set WEBUI_TUNE_TEST_CHROMIUM to its program',
  );
}

function findProgram(name) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => isExecutable(join(folder, name)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    process.stdout.write(`${ensureChromium()}\n`);
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
