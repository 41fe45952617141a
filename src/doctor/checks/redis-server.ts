import { SERVICE_APPS } from '../../facts/embedded/apps.ts';
import { brokerOf } from '../../facts/services/broker-kind.ts';
import { check, type Finding, note, ok, warning } from '../check.ts';
import type { Facts } from '../facts.ts';

/** Bytes of one event that must get through: the largest that was reported is 45 MB. */
const LARGEST_EVENT = 64 * 1024 * 1024;

/** Hard and soft limit in bytes, and seconds, of the buffer for those who listen (docs.openwebui.com, Redis). */
const WANTED_BUFFER = 'pubsub 1073741824 268435456 180';

/** Connections that a few busy workers open; Redis's own default is 10,000. */
const LEAST_CLIENTS = 1_000;
/** Share of the connections from which on the limit is close. */
const CLOSE = 0.8;

const UNKNOWN = 'the server does not say: its user may not run CONFIG GET';

const isDragonfly = ({ broker: { info } }: Pick<Facts, 'broker'>) => brokerOf(info)?.name === 'Dragonfly';

export const redisServerChecks = [
  check({
    id: 'redis.buffer',
    title: 'A large event does not disconnect listeners',
    why: 'one event larger than the buffer ends the subscription of every worker; /ready stays 200 meanwhile',
    source: 'redis.conf, client-output-buffer-limit; open-webui/open-webui#25975 (an emit of 33 MB)',
    needs: ['broker', 'plan'],
    run: (facts) => {
      if (isDragonfly(facts)) {
        return note(
          'Dragonfly has a limit of its own, 128 MiB a thread, and holds publishers up instead',
          'for larger events: dragonfly --publish_buffer_limit',
        );
      }
      const limit = /pubsub (\d+) (\d+) \d+/.exec(facts.broker.config?.['client-output-buffer-limit'] ?? '');
      if (!limit) return note(UNKNOWN);
      const bounds = limit.slice(1).map((text) => Number(text) || Number.POSITIVE_INFINITY);
      const least = Math.min(...bounds);
      if (least >= LARGEST_EVENT) return ok(limit[0]);
      return change(
        `client-output-buffer-limit is "${limit[0]}": events of ${Math.round(least / 2 ** 20)} MiB end the subscription`,
        ['client-output-buffer-limit', WANTED_BUFFER],
        facts,
      );
    },
  }),
  check({
    id: 'redis.disconnections',
    title: 'Redis has disconnected no listener',
    why: 'a worker that Redis disconnected because its buffer was full has missed events',
    source: 'INFO stats, client_output_buffer_limit_disconnections',
    needs: ['broker'],
    run: ({ broker: { info } }) => {
      const text = info.client_output_buffer_limit_disconnections;
      if (text === undefined) return note('this version of the server does not count them');
      const count = Number(text);
      return count === 0
        ? ok('no client was, since the server started')
        : warning(
            `${count} clients were disconnected since the server started, because their buffers were full`,
            'raise client-output-buffer-limit; CONFIG RESETSTAT sets the count back',
          );
    },
  }),
  check({
    id: 'redis.eviction',
    title: 'Redis evicts no data',
    why: 'with allkeys-…, tokens of those who signed out work again, and sessions vanish',
    source: 'docs.openwebui.com, Redis: memory eviction policy',
    needs: ['broker', 'plan'],
    run: (facts) => {
      const { config, info } = facts.broker;
      if (isDragonfly(facts)) {
        return info.cache_mode === 'cache'
          ? warning(
              'Dragonfly is in cache mode: it throws keys away when its memory is full',
              'dragonfly --cache_mode=false',
            )
          : ok('Dragonfly is not in cache mode');
      }
      const policy = config?.['maxmemory-policy'] ?? info.maxmemory_policy;
      if (policy === undefined) return note(UNKNOWN);
      if (!policy.startsWith('allkeys')) return ok(`maxmemory-policy is ${policy}`);
      const finding = change(`maxmemory-policy is ${policy}`, ['maxmemory-policy', 'noeviction'], facts);
      const isInForce = Number(config?.maxmemory ?? info.maxmemory ?? 0) > 0;
      return isInForce ? { ...finding, verdict: 'error' } : finding;
    },
  }),
  check({
    id: 'redis.persistence',
    title: 'Redis keeps sign-outs over a restart',
    why: 'after a crash of Redis, tokens that were revoked are good again until they expire',
    source: 'docs.openwebui.com, Redis; redis.conf, appendonly',
    needs: ['broker', 'plan'],
    run: (facts) => {
      const { config, info } = facts.broker;
      if (isDragonfly(facts)) {
        return note(
          'Dragonfly has no append-only file: what is newer than its last snapshot is lost in a crash',
          "dragonfly --snapshot_cron='*/5 * * * *' --dir FOLDER",
        );
      }
      const isKept = config?.appendonly === 'yes' || info.aof_enabled === '1';
      if (isKept) return ok('appendonly is on');
      if (!config && info.aof_enabled === undefined) return note(UNKNOWN);
      const snapshots = config?.save ? `; snapshots: ${config.save}` : '';
      return change(`appendonly is off${snapshots}`, ['appendonly', 'yes'], facts);
    },
  }),
  check({
    id: 'redis.clients',
    title: 'Redis accepts enough connections',
    why: '"max number of clients reached": from then on every sign-in is an error 500',
    source: 'redis.conf, maxclients; docs.openwebui.com, Redis',
    needs: ['broker', 'plan'],
    run: (facts) => {
      const { config, info } = facts.broker;
      const most = Number(config?.maxclients ?? info.maxclients ?? 0);
      if (most === 0) return note(UNKNOWN);
      const now = Number(info.connected_clients ?? 0);
      if (most >= LEAST_CLIENTS && now < most * CLOSE) return ok(`${now} of ${most}`);
      return change(`${now} of ${most} connections are in use`, ['maxclients', '10000'], facts);
    },
  }),
];

/** --fix mends our own server. For the user's server we only name the command. */
function change(
  found: string,
  [name, value]: readonly [string, string],
  { broker, plan }: Pick<Facts, 'broker' | 'plan'>,
): Finding {
  const port = /:(\d+)$/.exec(broker.where)?.[1];
  const command = `redis-cli${port ? ` -p ${port}` : ''} CONFIG SET ${name} "${value}"`;
  const isOurs = plan.embedded?.some((service) => service.name === SERVICE_APPS.valkey) ?? false;
  if (isOurs) return { ...warning(found, command), fix: { kind: 'redis', name, value } };
  return warning(found, command, `and the same into redis.conf: ${name} ${value}`);
}
