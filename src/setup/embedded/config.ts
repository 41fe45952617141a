/* Configuration files of the two servers. Pure. */
import { LOOPBACK } from '../../base/io/address.ts';
import { CONNECTIONS_A_WORKER } from '../../plan/pools.ts';

/** Beside those of the workers: backups, psql, the tuner itself. */
const OTHER_CONNECTIONS = 20;

/** Bounds of max_connections: 300 of them cost 7 MiB more than 100 (measured, PostgreSQL 18, idle). */
const LEAST_CONNECTIONS = 100;
const MOST_CONNECTIONS = 500;

/** For one worker per core, and one more during a replacement. */
export function maxConnections(cores: number): number {
  const wanted = CONNECTIONS_A_WORKER * (cores + 1) + OTHER_CONNECTIONS;
  return Math.min(Math.max(wanted, LEAST_CONNECTIONS), MOST_CONNECTIONS);
}

/** What differs from the postgresql.conf that initdb writes, which includes this file. */
export function postgresConfig(port: number, cores: number, platform: string): string {
  return [
    '# Written by webui-tune: changes here are overwritten, those in postgresql.conf beside the data are not.',
    `listen_addresses = '${LOOPBACK}'`,
    `port = ${port}`,
    "unix_socket_directories = ''",
    '# As Open WebUI writes little, the system’s own cache does the rest.',
    'shared_buffers = 64MB',
    `max_connections = ${maxConnections(cores)}`,
    '# With the default of 64 MB Open WebUI cannot start once it has 5,000 pieces of documents: it then makes an index',
    '# of their vectors, which takes 65 MB for 1,536 numbers each.',
    'maintenance_work_mem = 256MB',
    'autovacuum_work_mem = 64MB',
    '# After a crash: one call of the kernel instead of a walk through 1,900 files (0.7 s instead of up to 6).',
    ...(platform === 'linux' ? ['recovery_init_sync_method = syncfs'] : []),
    '',
  ].join('\n');
}

/**
 * A TCP port, because a second server on it ends at once; on a socket alone it would take over the first one’s files.
 */
export function valkeyConfig(port: number, password: string, data: string): string {
  return [
    '# Written by webui-tune: changes here are overwritten.',
    `bind ${LOOPBACK}`,
    `port ${port}`,
    'protected-mode yes',
    `requirepass ${password}`,
    `dir "${data.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`,
    '# Sign-outs are kept here: what is in memory alone, a crash would forget.',
    'save ""',
    'appendonly yes',
    'appendfsync everysec',
    '# One large event must not end the subscription of every worker (the default is 32 MB).',
    'client-output-buffer-limit pubsub 1gb 256mb 180',
    'daemonize no',
    '',
  ].join('\n');
}
