import { chownSync, readFileSync } from 'node:fs';
import { EXIT, TuneError } from '../../base/errors.ts';
import type { Environment } from '../../base/io/environment.ts';
import { findOnPath } from '../../base/io/path.ts';
import { runProgram, tailOf } from '../../base/io/run.ts';

/* PostgreSQL refuses to run as root. For root, an ordinary account runs the services and owns their data. */

/** Made by `up` where no other is named. */
export const OWN_ACCOUNT = 'webui-tune';

export interface Account {
  user: string;
  group: string;
  uid: number;
  gid: number;
}

/**
 * An account of passwd(5) by its name, with its first group. Undefined: there is none. PM2 reads the same two files.
 * Throws TuneError for root itself.
 */
export function findAccount(name: string, root = '/'): Account | undefined {
  const entry = linesOf(`${root}etc/passwd`).find(([user]) => user === name);
  if (!entry) return undefined;
  const [user = '', , uid, gid] = entry;
  const group = linesOf(`${root}etc/group`).find(([, , id]) => id === gid)?.[0];
  if (group === undefined) {
    throw new TuneError(`the group ${gid} of the account ${name} is not in /etc/group`, EXIT.machine);
  }
  if (Number(uid) === 0) {
    throw new TuneError(`${name} is root: PostgreSQL runs only as an ordinary user`, EXIT.usage);
  }
  return { user, group, uid: Number(uid), gid: Number(gid) };
}

function linesOf(path: string): string[][] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
}

/** Makes the account: no home, no password, no shell. Throws TuneError. */
export async function createAccount(env: Environment): Promise<Account> {
  const useradd = findOnPath('useradd', `${env.PATH}:/usr/sbin:/sbin`);
  if (useradd !== undefined) {
    const { code, output } = await runProgram(
      useradd,
      [
        '--system',
        '--user-group',
        '--no-create-home',
        '--home-dir',
        '/nonexistent',
        '--shell',
        '/usr/sbin/nologin',
        OWN_ACCOUNT,
      ],
      { env },
    );
    const account = findAccount(OWN_ACCOUNT);
    if (code === 0 && account) return account;
    throw new TuneError(`useradd ${OWN_ACCOUNT} failed:\n${tailOf(output)}`, EXIT.machine, MEND);
  }
  throw new TuneError(
    'PostgreSQL does not run as root, and there is no useradd to make an account',
    EXIT.machine,
    MEND,
  );
}

const MEND = ['run webui-tune up as an ordinary user, or name an account: --service-user NAME'];

/** Gives a file or a folder to the account; without one it is ours already. */
export function giveTo(account: Account | undefined, path: string): void {
  if (account) chownSync(path, account.uid, account.gid);
}
