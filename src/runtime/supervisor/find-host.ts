import type { Host } from './host.ts';
import { pm2Host } from './host-pm2.ts';
import { systemdHost } from './host-systemd.ts';

/**
 * The one that started us: PM2 left a channel. Its apps may have systemd's variable all the same, from the shell or the
 * container that PM2 was started in. Neither of the two: PM2's, which says nothing where there is no channel.
 */
export function findHost(env: NodeJS.ProcessEnv): Host {
  return env.NOTIFY_SOCKET && !process.send ? systemdHost(env) : pm2Host();
}
