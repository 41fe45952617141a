import type { Host } from './host.ts';
import { pm2Host } from './host-pm2.ts';
import { systemdHost } from './host-systemd.ts';

/**
 * The process manager that started us: PM2 where there is a channel to it, else systemd where its variable is set. The channel
 * counts first, because PM2's apps inherit the variable from a PM2 that systemd started. Where there is neither, PM2's host
 * stays silent.
 */
export function findHost(env: NodeJS.ProcessEnv): Host {
  return env.NOTIFY_SOCKET && !process.send ? systemdHost(env) : pm2Host();
}
