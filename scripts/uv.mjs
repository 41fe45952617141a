/**
 * uv, which installs the environments of the tests in a fifth of pip's time, with the settings that this machine gives to pip:
 * an index, a mirror, a folder of wheels. Its own variables (UV_INDEX and so on) win.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const VERSION = '0.13.9';

/** By pip's options: uv's variable, and what is between two values of it; pip has white space there. */
const VARIABLES = {
  'index-url': ['UV_DEFAULT_INDEX', ''],
  'extra-index-url': ['UV_INDEX', ' '],
  'find-links': ['UV_FIND_LINKS', ','],
  'no-index': ['UV_NO_INDEX', ''],
  constraint: ['UV_CONSTRAINT', ' '],
  'trusted-host': ['UV_INSECURE_HOST', ' '],
  'default-timeout': ['UV_HTTP_TIMEOUT', ''],
  timeout: ['UV_HTTP_TIMEOUT', ''],
  cert: ['SSL_CERT_FILE', ''],
  proxy: ['ALL_PROXY', ''],
};

/** In which pip's options count; a later one wins. */
const SOURCES = ['global', 'install', ':env:'];

/** What `pip config list` prints, as variables of uv. */
export function fromPip(text) {
  const options = [...text.matchAll(/^(global|install|:env:)\.([\w-]+)='(.*)'$/gm)];
  options.sort(([, a], [, b]) => SOURCES.indexOf(a) - SOURCES.indexOf(b));
  const found = {};
  for (const [, , name, value] of options) {
    const values = value.split(/(?:\s|\\n)+/).filter(Boolean);
    if (!(name in VARIABLES) || values.length === 0) continue;
    const [variable, separator] = VARIABLES[name];
    found[variable] = values.join(separator);
  }
  return found;
}

/** The program in a folder of `cache`; it is installed there with `python`’s pip if it is missing. */
export function ensureUv(cache, python) {
  const folder = join(cache, `uv-${VERSION}`);
  const program = join(folder, 'bin', 'uv');
  if (existsSync(program)) return program;
  mkdirSync(cache, { recursive: true });
  const unfinished = mkdtempSync(`${folder}-`);
  try {
    const target = ['--target', unfinished, '--no-deps', `uv==${VERSION}`];
    execFileSync(python, ['-m', 'pip', 'install', '--quiet', ...target], { stdio: ['ignore', 2, 2] });
    renameSync(unfinished, folder);
  } catch (error) {
    if (!existsSync(program)) throw error;
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return program;
}

/** The environment that uv runs in. Like pip, it takes the newest version that any of the indexes has. */
export function uvEnvironment(cache, python) {
  const pip = execFileSync(python, ['-m', 'pip', 'config', 'list'], { encoding: 'utf8' });
  return {
    UV_CACHE_DIR: join(cache, 'uv-cache'),
    UV_INDEX_STRATEGY: 'unsafe-best-match',
    ...fromPip(pip),
    ...process.env,
  };
}
