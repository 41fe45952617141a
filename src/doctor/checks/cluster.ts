import { plural } from '../../base/units.ts';
import { APPS, MONITOR } from '../../runtime/contract.ts';
import { check, error, note, ok, skipped, warning } from '../check.ts';
import type { ClusterFacts } from '../read/cluster.ts';
import { NO_DOCUMENTS } from '../read/documents.ts';
import type { Pm2Facts } from '../read/pm2.ts';
import { instancesOf } from './running.ts';

/** What PM2 shows of each instance (runtime/supervisor/main.ts, publish). */

/** Milliseconds by which /proc may tell the start of a process too early: its clock ticks a hundred times a second. */
const CLOCK_ERROR = 1_000;

/** Milliseconds until a worker has seeded a new database; the slowest start that was seen took 33 s. */
const START_MS = 60_000;

const RELOAD = `pm2 reload ${APPS.cluster}`;

export const clusterChecks = [
  check({
    id: 'cluster.serves',
    title: 'The workers serve',
    why: 'users get no answer',
    source: 'open_webui/main.py, /ready: the start is over, the database and Redis answer',
    needs: ['cluster'],
    about: 'cluster',
    run: ({ cluster: { isReady, workers, address } }) =>
      isReady
        ? ok(`/ready is 200 at ${address.host}:${address.port}, says one of ${workers.length} workers`)
        : error(
            `/ready at ${address.host}:${address.port} is not 200, with ${workers.length} workers`,
            `pm2 logs ${APPS.cluster} says what they wait for`,
          ),
  }),
  check({
    id: 'cluster.preload',
    title: 'The preload process lives',
    why: 'workers continue without it, but a worker that ends is not replaced',
    source: 'docs/how-it-works.md, Generations',
    needs: ['cluster', 'ecosystem'],
    run: ({ cluster: { preload }, ecosystem }) => {
      if (preload) return ok(`process ${preload.pid}`);
      return error(
        'it does not run, though workers do',
        `pm2 start ${ecosystem.path} --only ${APPS.preload}`,
      );
    },
  }),
  check({
    id: 'cluster.generation',
    title: 'All workers belong to the current generation',
    why: 'a worker from an earlier start of the preload process still has the settings of that time',
    source: 'the lock that each holds: run/ID/generation-NAME/lock',
    needs: ['cluster'],
    run: ({ cluster: { preload, workers } }) => {
      if (!preload?.generation)
        return note('the preload process shows none: it is starting, or does not run');
      const older = workers.filter(({ generation }) => generation !== preload.generation);
      if (older.length === 0) return ok(preload.generation);
      return warning(
        `${older.map(({ pid, generation }) => `worker ${pid} is of ${generation ?? 'none'}`).join(', ')}; the preload process is ${preload.generation}`,
        `their supervisors replace them one by one; if that does not end: ${RELOAD}`,
      );
    },
  }),
  check({
    id: 'cluster.settings-age',
    title: 'The settings on the disk are in force',
    why: 'the env file is read when the preload process starts: a later change waits for its next start',
    source: 'docs/operations.md',
    needs: ['cluster', 'files'],
    run: ({ cluster: { preload }, files: { envFile, secrets } }) => {
      if (!preload) return note('the preload process does not run');
      const newer = [...(envFile ? [envFile] : []), secrets]
        .filter(({ changedAt }) => changedAt > preload.startedAt + CLOCK_ERROR)
        .map(({ path }) => path);
      return newer.length === 0
        ? ok('the files are older than the preload process')
        : warning(
            `changed since the preload process started: ${newer.join(', ')}`,
            `pm2 restart ${APPS.preload}`,
          );
    },
  }),
  check({
    id: 'cluster.installed-since',
    title: 'The installed Open WebUI is the one that runs',
    why: 'workers of the old version load parts of the new one as they need them, and the next start migrates the database while they use it',
    source: 'docs.openwebui.com, "Updates and Migrations"; docs/upgrade.md',
    needs: ['cluster', 'expected'],
    run: ({ cluster: { preload }, expected: { installedAt } }) => {
      if (!preload) return note('the preload process does not run');
      if (installedAt <= preload.startedAt + CLOCK_ERROR) return ok('it was there before the start');
      return warning(
        'Open WebUI was installed anew since the preload process started',
        `pm2 restart ${APPS.preload} ${APPS.cluster}`,
        'the next time: webui-tune upgrade',
      );
    },
  }),
  check({
    id: 'cluster.documents',
    title: 'All workers embed with the same model',
    why: 'a worker loads local embedding models and reranking models when it starts: after a change, workers embed with different models',
    source: 'open_webui/main.py, open_webui/routers/retrieval.py; open-webui/open-webui#10278',
    needs: ['cluster', 'schema'],
    run: ({ cluster: { workers }, schema: { documents } }) => {
      if (documents?.changedAt === undefined) return skipped(NO_DOCUMENTS);
      const { changedAt } = documents;
      // The first worker itself writes the rows while it starts.
      const older = workers.filter(({ startedAt }) => changedAt > startedAt + START_MS);
      return older.length === 0
        ? ok('they have started since the last change')
        : warning(
            `${older.map(({ pid }) => `worker ${pid}`).join(', ')} started before the settings of its models were changed`,
            RELOAD,
          );
    },
  }),
  check({
    id: 'cluster.count',
    title: 'Each instance of PM2 has its worker',
    why: 'a supervisor without a worker serves nobody; a worker without one is never replaced',
    source: 'pm2 list; /proc',
    needs: ['cluster', 'pm2', 'ecosystem'],
    run: ({ cluster: { workers }, pm2, ecosystem }) => {
      if (!ecosystem.preload) return ok('Open WebUI’s own server');
      const online = onlineOf(pm2);
      if (workers.length === online.length) return ok(`${workers.length} of ${online.length}`);
      const found = `${online.length} instances are online, ${workers.length} workers run`;
      // One more while a reload replaces them.
      return workers.length > online.length
        ? note(`${found}: some drain, or have lost their supervisor`)
        : error(found, `pm2 logs ${APPS.cluster}, then ${RELOAD}`);
    },
  }),
  check({
    id: 'cluster.listening',
    title: 'Each worker holds the listening socket',
    why: 'a worker without it gets no connections, though PM2 calls it online',
    source: '/proc/net/tcp and /proc/PID/fd',
    needs: ['cluster'],
    uses: ['pm2'],
    run: ({ cluster: { workers, address }, pm2 }) => {
      if (workers.length === 0) return skipped('no worker runs');
      const deaf = workers.filter(({ listening }) => listening.length === 0);
      if (deaf.length > 0) {
        const found = `${deaf.map(({ pid }) => `worker ${pid}`).join(', ')} does not listen on port ${address.port}`;
        const wanted = pm2 ? onlineOf(pm2).length : workers.length;
        // It finishes its requests, and another worker has taken its place.
        return workers.length - deaf.length >= wanted ? note(`${found}: it drains`) : error(found, RELOAD);
      }
      const sockets = new Set(workers.flatMap(({ listening }) => listening));
      return sockets.size <= 1
        ? ok(`one socket, ${workers.length} workers`)
        : warning(
            `${sockets.size} sockets: the kernel deals connections out blindly, and loses some on a reload`,
            RELOAD,
          );
    },
  }),
  check({
    id: 'cluster.connections',
    title: 'No two processes share a connection',
    why: 'two that write to one database or Redis connection mix up each other’s answers',
    source: '/proc/net/tcp, /proc/net/unix and /proc/PID/fd; docs/how-it-works.md',
    needs: ['cluster'],
    run: ({ cluster }) => {
      const shared = sharedSockets(cluster);
      return shared.length === 0
        ? ok(
            `none of ${plural(cluster.workers.length, 'worker')}${cluster.preload ? ' and the preload process' : ''}`,
          )
        : error(
            shared.map(([pids, count]) => `${plural(count, 'connection')} held by ${pids}`).join('; '),
            `${RELOAD}; if it comes back: webui-tune --preload libraries`,
          );
    },
  }),
  check({
    id: 'cluster.identities',
    title: 'Every worker has its own identity',
    why: 'socket.io ignores messages with its own id: with the same one, events never cross workers',
    source: 'socketio/async_pubsub_manager.py, host_id; open_webui/env.py, INSTANCE_ID',
    needs: ['cluster', 'pm2', 'ecosystem'],
    run: ({ cluster: { workers }, pm2, ecosystem }) => {
      if (!ecosystem.preload) return ok('each worker imports the app for itself');
      const identities = instancesOf(pm2, APPS.cluster).flatMap(({ pm_id, pm2_env }) => {
        const shown = pm2_env.axm_monitor[MONITOR.identity]?.value;
        return typeof shown === 'string' ? [{ pm_id, parts: shown.split(' ') }] : [];
      });
      if (identities.length < 2 && workers.length > 1) {
        return note(
          'PM2 does not show them yet, or the workers were taken over from another instance',
          RELOAD,
        );
      }
      const seen = new Map<string, number>();
      for (const { pm_id, parts } of identities) {
        for (const [place, part] of parts.entries()) {
          const other = seen.get(`${place} ${part}`);
          if (other !== undefined) {
            return error(
              `instances ${other} and ${pm_id} have the same id (${part})`,
              `pm2 restart ${APPS.preload}`,
            );
          }
          seen.set(`${place} ${part}`, pm_id);
        }
      }
      return ok(`${identities.length} workers, ${seen.size} ids`);
    },
  }),
  check({
    id: 'cluster.events',
    title: 'An event crosses from one worker to the others',
    why: 'one worker generates an answer, and the browser that shows it may be connected to another one',
    source: 'open_webui/socket/redis_room_channels.py; tried just now, through the broker',
    needs: ['crossing'],
    about: 'crossing',
    run: ({ crossing: { workers, opened } }) => {
      const deaf = workers.filter(({ arrivedMs }) => arrivedMs === undefined);
      const mute = workers.filter(({ arrivedMs, answered }) => arrivedMs !== undefined && !answered);
      if (deaf.length + mute.length > 0) {
        return error(
          [
            ...deaf.map(({ pid }) => `a message through the broker did not reach a browser at worker ${pid}`),
            ...mute.map(({ pid }) => `worker ${pid} heard it, and its own message did not reach the broker`),
          ].join('; '),
          `see redis.rights and redis.buffer; then ${RELOAD}`,
        );
      }
      const slowest = Math.max(0, ...workers.map(({ arrivedMs = 0 }) => arrivedMs));
      return ok(
        `to a browser at each of ${workers.length} workers and back within ${Math.ceil(slowest)} ms (${opened} sockets)`,
      );
    },
  }),
];

const onlineOf = (pm2: Pm2Facts) =>
  instancesOf(pm2, APPS.cluster).filter(({ pm2_env }) => pm2_env.status === 'online');

/** For each set of processes that share connected sockets: their pids, and how many sockets. */
function sharedSockets({ preload, workers }: ClusterFacts): [string, number][] {
  const holders = new Map<string, number[]>();
  for (const { pid, connected } of [...(preload ? [preload] : []), ...workers]) {
    for (const inode of connected) holders.set(inode, [...(holders.get(inode) ?? []), pid]);
  }
  const counts = new Map<string, number>();
  for (const pids of holders.values()) {
    const names = pids.join(' and ');
    if (pids.length > 1) counts.set(names, (counts.get(names) ?? 0) + 1);
  }
  return [...counts];
}
