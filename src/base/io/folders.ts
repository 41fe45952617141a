import { createHash } from 'node:crypto';
import { homedir, tmpdir, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import type { Environment } from './environment.ts';

/** Longest path of a UNIX socket that we use: sun_path has 108 bytes (unix(7)), and some room is left. */
const LONGEST_SOCKET_PATH = 100;

/** Where our own files live (XDG Base Directory Specification). */
export function dataHome(env: Environment, home = homedir()): string {
  // The specification says to ignore a relative path.
  const xdg = env.XDG_DATA_HOME;
  return join(xdg && isAbsolute(xdg) ? xdg : join(home, '.local', 'share'), 'webui-tune');
}

/** Where the page's compressed files are kept, which can be made again at any time. */
export function staticCache(env: Environment, home = homedir()): string {
  const xdg = env.XDG_CACHE_HOME;
  return join(xdg && isAbsolute(xdg) ? xdg : join(home, '.cache'), 'webui-tune', 'static');
}

/** Data folder of an installation that has none yet: outside of Python's packages, where an upgrade cannot lose it. */
export function defaultDataDir(env: Environment, home = homedir()): string {
  return join(dataHome(env, home), 'data');
}

/** One socket for each installation, that is, for each data folder. */
export function controlSocket(dataDir: string, env: Environment, home = homedir()): string {
  const id = shortHash(dataDir);
  const path = join(dataHome(env, home), 'run', id, 'control.sock');
  if (Buffer.byteLength(path) <= LONGEST_SOCKET_PATH) return path;
  return join(tmpdir(), `webui-tune-${userInfo().uid}-${id}`, 'control.sock');
}

export function shortHash(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 8);
}
