import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, type ExitCode, TuneError } from '../base/errors.ts';
import { ask, canAsk } from '../base/io/ask.ts';
import type { Terminal } from '../base/io/terminal.ts';
import { SERVICE_APPS } from '../facts/embedded/apps.ts';
import { APPS } from '../runtime/contract.ts';
import { alone } from '../setup/journal/change.ts';
import { purge } from '../setup/purge/purge.ts';
import { listPurge, type PurgeList, STATE_NAME } from '../setup/purge/purge-list.ts';
import { removeApps } from '../setup/up/cluster.ts';
import { Setup } from '../setup/up/setup.ts';

/** Workers first, after all that looks at them, and databases last: no process loses a service that it still writes to. */
const ORDER = [
  APPS.backup,
  APPS.logrotate,
  APPS.metrics,
  APPS.scale,
  APPS.cluster,
  APPS.preload,
  SERVICE_APPS.valkey,
  SERVICE_APPS.postgres,
];

export interface DownOptions {
  /** Delete everything that `up` has made, data and accounts too. */
  purge?: boolean;
  yes?: boolean;
}

/** Stops everything that `up` has started; deletes the data only with `purge`. */
export async function bringDown(options: DownOptions, terminal: Terminal): Promise<ExitCode> {
  const setup = new Setup({});
  if (options.purge) return deleteAll(setup, options, terminal);
  const removed = await stopAll(setup);
  terminal.err(
    removed.length > 0
      ? `stopped: ${removed.join(', ')}. The data stays; webui-tune up starts it again\n`
      : 'nothing is running\n',
  );
  return EXIT.ok;
}

async function stopAll(setup: Setup): Promise<string[]> {
  const pm2 = setup.plainPm2();
  const removed = await removeApps(pm2, ORDER);
  if (removed.length > 0 && setup.remembered.startup) await pm2.run('save', '--force');
  return removed;
}

async function deleteAll(setup: Setup, { yes }: DownOptions, terminal: Terminal): Promise<ExitCode> {
  const list = listPurge(setup);
  const hasState = existsSync(join(setup.folder, STATE_NAME));
  if (!hasState && list.folders.length === 0 && !list.installed && (await setup.processes()).length === 0) {
    terminal.err('nothing is installed, so there is nothing to delete\n');
    return EXIT.ok;
  }
  if (!yes && !(await mayDelete(list, terminal))) return EXIT.ok;
  // Not beside a backup, which would go on writing.
  const { left } = await alone(setup, async () => {
    const stopped = await stopAll(setup);
    if (stopped.length > 0) terminal.err(`stopped: ${stopped.join(', ')}\n`);
    // Listed again: the processes may have written something since.
    return purge(setup, listPurge(setup), (text) => terminal.err(`${text}\n`));
  });
  for (const path of left) terminal.err(`kept: ${path}, which is yours\n`);
  return EXIT.ok;
}

/** Asks the user. Throws TuneError without a terminal. */
async function mayDelete({ folders, installed, left }: PurgeList, terminal: Terminal): Promise<boolean> {
  const account = installed?.madeAccount ? installed.account?.user : undefined;
  const lines = [
    ...folders.map((path) => `  ${path}`),
    ...(account === undefined
      ? []
      : [`  the system account ${account}, unless another installation uses it`]),
    ...left.map((path) => `It keeps ${path}, which is yours.`),
  ].join('\n');
  const what = 'deletes this, with every account, chat and document in it';
  if (!canAsk()) {
    throw new TuneError(
      `there is no terminal to ask on, so nothing was deleted. With --yes it ${what}:\n${lines}`,
      EXIT.usage,
      ['webui-tune backup FILE saves it before', 'webui-tune down --purge --yes deletes it'],
    );
  }
  terminal.err(`This ${what}:\n${lines}\nTo save it before: webui-tune backup FILE\n`);
  return /^y(?:es)?$/i.test(await ask('Delete it? [y/N]'));
}
