import { dirname, join } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import type { Environment } from '../../base/io/environment.ts';
import { findOnPath } from '../../base/io/path.ts';
import { namesIn } from '../../base/io/read.ts';
import { runProgram, tailOf } from '../../base/io/run.ts';
import { type Installed, readInstalled, writeInstalled } from '../../facts/embedded/installed.ts';
import { findAccount } from './account.ts';

/**
 * Removes the account that `up` made, once its services are stopped. If another installation beside this one
 * uses it, that one takes it over. Returns what happened to it; undefined: it is not ours. Throws TuneError.
 */
export async function releaseAccount(
  services: string,
  { account, madeAccount }: Installed,
  env: Environment,
): Promise<string | undefined> {
  if (!account || !madeAccount || !findAccount(account.user)) return undefined;
  const heir = findHeir(services, account.user);
  if (heir !== undefined) {
    const installed = readInstalled(heir);
    if (installed) writeInstalled(heir, { ...installed, madeAccount: true });
    return `the account ${account.user} stays: ${heir} uses it`;
  }
  const userdel = findOnPath('userdel', `${env.PATH}:/usr/sbin:/sbin`);
  const mend = [`userdel ${account.user}; then run webui-tune down --purge again`];
  if (userdel === undefined) {
    throw new TuneError(`there is no userdel to remove the account ${account.user}`, EXIT.machine, mend);
  }
  const { code, output } = await runProgram(userdel, [account.user], { env });
  if (code !== 0)
    throw new TuneError(`userdel ${account.user} failed:\n${tailOf(output)}`, EXIT.machine, mend);
  return `removed: the account ${account.user}`;
}

/** Folder of another installation's services that uses the account. */
function findHeir(services: string, user: string): string | undefined {
  const parent = dirname(services);
  return namesIn(parent)
    .map((name) => join(parent, name))
    .find((other) => {
      if (other === services) return false;
      try {
        return readInstalled(other)?.account?.user === user;
      } catch {
        return true; // who knows: not ours to take away
      }
    });
}
