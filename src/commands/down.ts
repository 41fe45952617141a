import { SERVICE_APPS } from '../embedded/apps.ts';
import { EXIT, type ExitCode } from '../errors.ts';
import type { Terminal } from '../io/terminal.ts';
import { APPS } from '../runtime/contract.ts';
import { removeApps } from '../up/cluster.ts';
import { Setup } from '../up/setup.ts';

/** Workers first, databases last: nobody loses what it still writes to. */
const ORDER = [
  APPS.logrotate,
  APPS.metrics,
  APPS.cluster,
  APPS.preload,
  SERVICE_APPS.valkey,
  SERVICE_APPS.postgres,
];

/** Stops all that `up` has started; the data stays. */
export async function bringDown(_: object, terminal: Terminal): Promise<ExitCode> {
  const setup = new Setup({});
  const pm2 = setup.plainPm2();
  const removed = await removeApps(pm2, await setup.processes(), ORDER);
  if (removed.length > 0 && setup.remembered.startup) await pm2.run('save', '--force');
  terminal.err(
    removed.length > 0
      ? `stopped: ${removed.join(', ')}. The data stays; webui-tune up starts it again\n`
      : 'nothing of it runs\n',
  );
  return EXIT.ok;
}
