import { EXIT, TuneError } from '../../base/errors.ts';
import { runProgram, tailOf } from '../../base/io/run.ts';
import { until } from '../../base/io/wait.ts';
import type { Pm2 } from '../pm2/client.ts';
import { serviceOf } from '../up/service.ts';
import type { Setup } from '../up/setup.ts';
import { findHolders, isManaged, nameOf, type OldServer, serversOf, stopCommand } from './old-server.ts';

/** Milliseconds until the processes of a server that was told to stop must be gone: some drain for a minute. */
const GONE_TIMEOUT = 180_000;
/** Milliseconds between two lists of PM2, each of which starts its command. */
const LIST_INTERVAL = 200;

/** What has the database open now. */
export async function findOldServers(setup: Setup, source: string): Promise<OldServer[]> {
  const holders = findHolders(source);
  return holders.length === 0 ? [] : serversOf(holders, await setup.plainPm2().list());
}

/** Throws TuneError where something serves the data that only the user can stop, and nobody can be asked to. */
export function requireManaged(servers: readonly OldServer[], source: string): void {
  const others = servers.filter((server) => !isManaged(server));
  if (others.length === 0) return;
  throw new TuneError(
    `${others.map(nameOf).join(', ')} has ${source} open, and only you can stop it`,
    EXIT.service,
    [...others.map(stopCommand), 'then run webui-tune migrate again'],
  );
}

/**
 * Stops them, and returns once nobody has the database open. `askFor` asks the user to stop what we cannot. Throws
 * TuneError.
 */
export async function stopOldServers(
  setup: Setup,
  servers: readonly OldServer[],
  source: string,
  askFor?: (commands: readonly string[]) => Promise<void>,
): Promise<void> {
  for (const server of servers) {
    if (server.kind === 'pm2') {
      const pm2 = setup.plainPm2();
      for (const app of server.apps.toReversed()) await pm2.run('stop', app);
    } else if (server.kind === 'unit') {
      await systemctl(setup, server.ofUser, 'stop', server.unit);
    }
  }
  const others = servers.filter((server) => !isManaged(server));
  if (others.length > 0) await askFor?.(others.map(stopCommand));
  setup.changed();
  await until(() => findHolders(source).length === 0, {
    what: `the end of whatever has ${source} open`,
    timeoutMs: GONE_TIMEOUT,
  }).catch(async () => {
    const left = await findOldServers(setup, source);
    throw new TuneError(
      `${left.map(nameOf).join(', ') || 'something'} still has ${source} open`,
      EXIT.service,
      [...left.map(stopCommand), 'then run webui-tune migrate again'],
    );
  });
}

/** Starts again what was stopped. Throws TuneError. */
export async function startOldServers(setup: Setup, servers: readonly OldServer[]): Promise<void> {
  for (const server of servers) {
    if (server.kind === 'pm2') {
      await startApps(setup, server.apps);
    } else if (server.kind === 'unit') {
      await systemctl(setup, server.ofUser, 'start', server.unit);
    }
  }
  setup.changed();
}

/** What `up` has replaced meanwhile is gone from PM2's list, and `up` makes it anew. */
async function startApps(setup: Setup, apps: readonly string[]): Promise<void> {
  const pm2 = await setup.pm2();
  const known = new Set((await pm2.list()).map(({ name }) => name));
  if (apps.every((name) => known.has(name))) {
    for (const app of apps) await startApp(pm2, app);
  } else {
    await serviceOf(setup).start();
  }
}

async function startApp(pm2: Pm2, app: string): Promise<void> {
  // A stop that a killed command has begun goes on, and PM2 starts no app whose process is still there.
  pm2.endOthers('stop', app);
  const states = async () =>
    (await pm2.list()).filter(({ name }) => name === app).map(({ pm2_env }) => pm2_env.status);
  await until(async () => !(await states()).includes('stopping'), {
    what: `the end of ${app}`,
    timeoutMs: GONE_TIMEOUT,
    intervalMs: LIST_INTERVAL,
  });
  if ((await states()).some((state) => state !== 'online')) await pm2.run('start', app);
}

async function systemctl({ env }: Setup, ofUser: boolean, ...words: string[]): Promise<void> {
  const args = [...(ofUser ? ['--user'] : []), '--no-ask-password', ...words];
  const { code, output } = await runProgram('systemctl', args, { env });
  if (code !== 0) {
    throw new TuneError(`systemctl ${args.join(' ')} failed:\n${tailOf(output)}`, EXIT.service);
  }
}
