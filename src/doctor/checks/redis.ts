import { plural } from '../../base/units.ts';
import { sentinelNotices } from '../../tune/warnings.ts';
import { check, error, note, ok, warning } from '../check.ts';
import { SLOW_PING } from '../read/redis.ts';
import { severalWorkersNeed } from './several.ts';

export const redisChecks = [
  check({
    id: 'redis.answers',
    title: 'Redis answers',
    why: 'without it sign-outs, tasks and live updates stop, and /ready says 503',
    source: 'open_webui/env.py; open_webui/utils/redis.py; open_webui/main.py, /ready',
    needs: ['redis'],
    about: 'redis',
    run: ({ redis }) => {
      if (redis.kind !== 'redis') return ok('none is set');
      if (redis.answer.up)
        return ok(`${redis.broker ?? 'a Redis'} ${redis.answer.version} at ${redis.where}`);
      return error(
        `${redis.where} does not answer: ${redis.answer.reason}`,
        'start it; the workers resume by themselves once it answers',
      );
    },
  }),
  check({
    id: 'redis.shared',
    title: 'Several workers have one Redis',
    why: 'without it workers cannot tell each other of sign-outs, tasks and live updates',
    source: 'open_webui/socket/main.py; open_webui/tasks.py',
    needs: ['installation', 'interpreter', 'services', 'effective', 'workers'],
    run: (facts) => severalWorkersNeed('Redis', facts),
  }),
  check({
    id: 'redis.rights',
    title: 'The Redis user has the rights that Open WebUI needs',
    why: '"Redis denied publishing": answers do not stream, or sign-outs are forgotten',
    source: 'open_webui/socket/redis_room_channels.py (&socketio and &socketio#*)',
    needs: ['broker'],
    about: 'broker',
    run: ({ broker: { rights, echoMs, where } }) => {
      const refused = Object.entries(rights).filter(([, reason]) => reason !== undefined);
      if (refused.length > 0) {
        return error(
          `${where} refuses to ${refused.map(([what, reason]) => `${what} (${reason})`).join(', to ')}`,
          'ACL SETUSER name on ~* &socketio &socketio#* &open-webui* +@all -@admin +info',
        );
      }
      if (echoMs === undefined) {
        return error(
          `${where}: a message that was published did not come back`,
          'use a single server, or Sentinel: something in between does not pass Pub/Sub on',
        );
      }
      return ok(`it writes, listens and publishes; a message came back after ${echoMs.toFixed(1)} ms`);
    },
  }),
  check({
    id: 'redis.latency',
    title: 'It answers quickly',
    why: 'Open WebUI asks it from the event loop: a worker does nothing else until the answer comes',
    source: 'open_webui/socket/utils.py; open-webui/open-webui#28172',
    needs: ['broker'],
    run: ({ broker: { pingMs, where } }) =>
      pingMs <= SLOW_PING
        ? ok(`a PING takes ${pingMs.toFixed(2)} ms`)
        : warning(
            `a PING at ${where} takes ${pingMs.toFixed(1)} ms (the best within a second; up to ${SLOW_PING} is good)`,
            'run Redis on the same machine or network',
          ),
  }),
  check({
    id: 'redis.alone',
    title: 'No other Open WebUI is on it',
    why: 'socket.io’s channel has no prefix and knows no database numbers: two installations see each other’s events',
    source: 'open_webui/socket/main.py; socketio/async_redis_manager.py',
    needs: ['broker'],
    uses: ['cluster'],
    run: ({ broker: { listeners, where }, cluster }) => {
      if (listeners === undefined) return note(`${where} does not say who listens`);
      const ours = cluster?.workers.length ?? 0;
      if (listeners <= ours) return ok(`${listeners} listen, and ${ours} workers of ours run`);
      return error(
        `${listeners} listen on socket.io’s channel at ${where}, and ${ours} of them are ours`,
        'give each installation a Redis server of its own: another database number or key prefix is not enough',
      );
    },
  }),
  check({
    id: 'redis.timeouts',
    title: 'A Redis that hangs does not hang the workers',
    why: 'without a timeout, one call that gets no answer blocks a worker endlessly',
    source: 'open_webui/env.py, REDIS_SOCKET_TIMEOUT; open-webui/open-webui#29973',
    needs: ['effective', 'redis'],
    run: ({ effective, redis }) => {
      if (redis.kind !== 'redis') return ok('there is no Redis');
      const names = ['REDIS_SOCKET_CONNECT_TIMEOUT', 'REDIS_SOCKET_TIMEOUT'];
      const unset = names.filter((name) => !(Number(effective.get(name)) > 0));
      return unset.length === 0
        ? ok(names.map((name) => `${name}=${effective.get(name)}`).join(', '))
        : warning(`not set: ${unset.join(', ')}`, ...unset.map((name) => `${name}=5`));
    },
  }),
  check({
    id: 'redis.cluster',
    title: 'Open WebUI uses Redis as what it is: a single server or a cluster',
    why: 'used as a single server, a node of a cluster answers MOVED; used as a cluster, a single server answers nothing',
    source: 'open_webui/utils/redis.py, REDIS_CLUSTER; redis-py, RedisCluster',
    needs: ['redis', 'effective'],
    run: ({ redis, effective }) => {
      if (redis.kind !== 'redis' || !redis.answer.up) return ok('none answers');
      const wanted = effective.get('REDIS_CLUSTER')?.toLowerCase() === 'true';
      if (wanted === (redis.isCluster ?? false)) {
        return wanted
          ? note(
              `a cluster; live updates go only through its node at ${redis.where}, and stop when that node stops`,
              'Sentinel fails over for live updates too: docs/broker.md',
            )
          : ok('a single server');
      }
      return wanted
        ? error(`REDIS_CLUSTER is on, and ${redis.where} is a single server`, 'take REDIS_CLUSTER away')
        : error(`${redis.where} is a node of a cluster`, 'REDIS_CLUSTER=true, or take a single server');
    },
  }),
  check({
    id: 'redis.sentinel',
    title: 'The sentinels can fail over',
    why: 'without a failover, or with a late one, live updates stop',
    source: 'open_webui/utils/redis.py; redis.io, Sentinel',
    needs: ['redis', 'installation'],
    run: ({ redis, installation }) => {
      const notices = sentinelNotices(redis, installation.settings);
      if (notices.length > 0) return notices.map((text) => warning(text));
      if (redis.kind !== 'redis' || !redis.sentinel) return ok('none are configured');
      const { sentinels, quorum, replicas } = redis.sentinel;
      return ok(
        `${plural(sentinels, 'sentinel')} answer, ${quorum} must agree, ${plural(replicas, 'replica')}: nothing was tried`,
      );
    },
  }),
];
