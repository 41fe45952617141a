import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { APPS } from '../contract.ts';
import type { ServingInstance } from './look.ts';
import type { Manager } from './manager.ts';

/** Milliseconds for which `pm2 reload` keeps others from reloading (pm2/constants.js, RELOAD_LOCK_TIMEOUT). */
const RELOAD_LOCK_MS = 30_000;

/** Bytes of the longest answer: `pm2 jlist` prints the environment of each process. */
const LONGEST_ANSWER = 64 * 1024 * 1024;

/** What PM2 says of one process, as far as it is read here. */
interface Listed {
  name?: unknown;
  pid?: unknown;
  pm_id?: unknown;
  pm2_env?: { status?: unknown };
}

/**
 * PM2, by its own command line. PM2 7.0.4 has flaws, and the commands go around them:
 *
 * - `pm2 scale APP N` compares N with all instances in its list. During a reload that list has the old and the new one of an
 *   instance, and PM2 deletes as many more. `+1` adds one, whatever the list has.
 * - `pm2 scale APP -1` fails: PM2's command line takes it for an option.
 * - `pm2 scale APP N` deletes the oldest. What it does to that one, `pm2 delete ID` does to the one that has the least to do.
 * - `pm2 scale` counts an instance that has just crashed, and one that is stopped. So nothing is done while there is one.
 */
export function pm2Manager(env: NodeJS.ProcessEnv, complain: (text: string) => void): Manager {
  let underWay: string | undefined;
  const home = env.PM2_HOME || join(env.HOME || homedir(), '.pm2');

  /** `pm2 …`: what it printed. Rejects where it fails. */
  function pm2(...args: string[]): Promise<string> {
    const program = ownProgram();
    const [command, words] = program === undefined ? ['pm2', args] : [process.execPath, [program, ...args]];
    // Our own environment is that of an app: PM2 would take itself for one.
    const { PATH = '', HOME = homedir(), LANG = 'C.UTF-8' } = env;
    return new Promise((resolve, reject) => {
      execFile(
        command,
        words,
        { env: { PATH, HOME, LANG, PM2_HOME: home }, maxBuffer: LONGEST_ANSWER },
        (error, stdout) => (error ? reject(error) : resolve(stdout)),
      );
    });
  }

  /** The same, in the background: PM2 returns once the new worker serves, or the old one has drained. */
  function begin(...args: string[]): void {
    underWay = `pm2 ${args.join(' ')} is under way`;
    pm2(...args)
      .catch((error: unknown) => complain(`pm2 ${args.join(' ')}: ${String(error)}`))
      .finally(() => {
        underWay = undefined;
      });
  }

  /** The instances in PM2's list; a text says why nothing may be done to them now. */
  async function instances(serving: readonly ServingInstance[]): Promise<Listed[] | string> {
    if (isReloading(home)) return 'pm2 reload is under way';
    const listed = parseList(await pm2('jlist')).filter(({ name }) => name === APPS.cluster);
    const others = listed.filter(
      ({ pm_id, pm2_env }) => typeof pm_id !== 'number' || pm2_env?.status !== 'online',
    );
    if (others.length > 0) return `PM2 has an instance that is ${String(others[0]?.pm2_env?.status)}`;
    const agree = serving.every(({ pid }) => listed.some((one) => one.pid === pid));
    if (!agree || listed.length !== serving.length)
      return `PM2 has ${listed.length} instances, and ${serving.length} serve`;
    return listed;
  }

  return {
    leaving: (serving) => serving.toSorted((a, b) => a.generating - b.generating || a.sockets - b.sockets)[0],
    async grow(serving) {
      const listed = await instances(serving);
      if (typeof listed === 'string') return listed;
      begin('scale', APPS.cluster, '+1');
      return undefined;
    },
    async shrink(serving, which) {
      const listed = await instances(serving);
      if (typeof listed === 'string') return listed;
      const id = listed.find(({ pid }) => pid === which.pid)?.pm_id;
      begin('delete', String(id));
      return undefined;
    },
    underWay: () => underWay,
  };
}

/** The command line of the PM2 that has started us; undefined: it cannot be told. */
function ownProgram(): string | undefined {
  const container = Object.keys(require.cache).find((path) => path.endsWith('/lib/ProcessContainerFork.js'));
  const program = container && join(dirname(dirname(container)), 'bin', 'pm2');
  return program && existsSync(program) ? program : undefined;
}

/** `pm2 reload` writes when it began, and empties the file at its end (pm2/lib/Common.js, lockReload). */
function isReloading(home: string): boolean {
  try {
    return Date.now() - Number.parseInt(readFileSync(join(home, 'reload.lock'), 'utf8'), 10) < RELOAD_LOCK_MS;
  } catch {
    return false;
  }
}

/** PM2 may print something else before its list. */
function parseList(output: string): Listed[] {
  const line = output.split('\n').find((text) => text.startsWith('[{') || text === '[]');
  if (line === undefined) throw new Error('pm2 jlist does not answer with a list');
  return JSON.parse(line) as Listed[];
}
