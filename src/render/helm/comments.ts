import { formatBytes } from '../../base/units.ts';
import type { DatabaseFacts } from '../../facts/types.ts';
import type { ContainerSetting } from '../../plan/containers.ts';
import { MEASURED } from '../../plan/measured-capacity.ts';
import { connectionBudget, connectionsOf } from '../../plan/pools.ts';
import { sentence, type YamlComment, type YamlValue } from '../yaml.ts';
import { type Pods, STARTUP_PERIOD } from './pods.ts';
import { mayBeMissing, SECRET } from './values.ts';

interface CommentInput {
  replicas: number;
  pods: Pods;
  ownRedis: boolean;
  settings: readonly ContainerSetting[];
}

/** The reason for each value, with its arithmetic. */
export function commentsOn(
  values: Readonly<Record<string, YamlValue>>,
  { replicas, pods, ownRedis, settings }: CommentInput,
): YamlComment[] {
  const seconds = pods.startupChecks * STARTUP_PERIOD;
  const environment = values.extraEnvVars as Readonly<Record<string, YamlValue>>;
  return [
    [
      ['replicaCount'],
      'One worker in each pod: several in one pod would share a restart and a memory limit.',
    ],
    [
      ['workload'],
      'Empty means a StatefulSet, whose pods roll one by one: two versions would serve one database.',
    ],
    [
      ['strategy'],
      'For the same reason. The chart would also render this for a StatefulSet, and the API would refuse it.',
    ],
    [
      ['image', 'tag'],
      'The version that the figures below were measured with; the chart’s default is older.',
    ],
    [['ollama'], 'On by default, like pipelines.'],
    [['openaiApiKeyExistingSecret'], 'Without it the chart renders a placeholder key.'],
    [['resources', 'requests', 'memory'], `${pods.requestReason}. Pods share no memory.`],
    [
      ['resources', 'limits'],
      `Twice the request (a choice). No CPU limit, because it would slow the boot down. A node with k pods needs ` +
        `k × ${formatBytes(pods.request)} free; with k × ${formatBytes(pods.limit)} it never overcommits.`,
    ],
    [
      ['startupProbe'],
      `${pods.startupChecks} × ${STARTUP_PERIOD} s = ${seconds} s, six times the measured boot of ` +
        `${MEASURED.bootSeconds} s. Migrations run before the port opens: the first step gives them an hour.`,
    ],
    [
      ['readinessProbe'],
      'Asks the database too: a pod that cannot reach it gets no requests, but is not restarted.',
    ],
    [['livenessProbe'], 'A minute without an answer, because a worker that is only busy must not be killed.'],
    [['persistence', 'storageClass'], 'From --storage-class: all pods mount one volume of uploads.'],
    ...redisComments(ownRedis, replicas),
    [['topologySpreadConstraints'], 'Spread pods if possible; as a requirement it could leave pods pending.'],
    [['ingress', 'class'], 'nginx is an example; another class needs its own annotations.'],
    [
      ['ingress', 'annotations'],
      'Affinity reduces jitter, but is not needed (socket.io only uses WebSockets). The proxy waits up to an ' +
        'hour for the next part of an answer, and only Open WebUI limits the size of uploads.',
    ],
    [
      ['extraEnvVars'],
      `A map, because a list in an overlay would replace all of it. Secrets refer to ${SECRET}.`,
    ],
    [['extraEnvVars', 'ENABLE_DB_MIGRATIONS'], 'Only on in the first step.'],
    [['extraEnvVars', 'UVICORN_WORKERS'], 'The pods are the workers.'],
    ...settings.flatMap(({ key, reason }): YamlComment[] =>
      reason !== 'yours' && key in environment && key !== 'DATABASE_POOL_SIZE'
        ? [[['extraEnvVars', key], sentence(reason)]]
        : [],
    ),
    [
      ['extraResources'],
      `While nodes are drained, at most ${mayBeMissing(replicas)} of ${replicas} pods may be missing (a third). A list in an ` +
        'overlay replaces this one. It begins with a blank line because the chart needs one.',
    ],
  ];
}

function redisComments(ownRedis: boolean, replicas: number): YamlComment[] {
  if (ownRedis) {
    return [
      [
        ['websocket'],
        'Your Redis (REDIS_URL in the Secret). The chart’s own Redis has to be switched off separately.',
      ],
    ];
  }
  return [
    [
      ['websocket', 'redis', 'args'],
      `One Redis without a password, for ${replicas} pods. By default Redis closes a slow pub/sub client at 32 MB. Idle ` +
        'connections are closed after half an hour.',
    ],
    [
      ['websocket', 'redis', 'resources'],
      'The limit has space for one such buffer of 1 GB and the stored data.',
    ],
  ];
}

/** The sum of all pools, as a comment on the first of their settings. */
export function connectionsComment(
  replicas: number,
  database: DatabaseFacts,
  settings: readonly ContainerSetting[],
): YamlComment {
  const number = (name: string) => Number(settings.find(({ key }) => key === name)?.value ?? 0);
  const [size, overflow] = [number('DATABASE_POOL_SIZE'), number('DATABASE_POOL_MAX_OVERFLOW')];
  const vector = number('PGVECTOR_POOL_SIZE') + number('PGVECTOR_POOL_MAX_OVERFLOW');
  const all = replicas * connectionsOf({ engine: size + overflow, vector });
  const budget = connectionBudget(database);
  return [
    ['extraEnvVars', 'DATABASE_POOL_SIZE'],
    `${replicas} pods × (2 engines × (${size} + ${overflow}) + ${vector} for vectors) = ${all} connections at most, of ` +
      `${budget?.connections ?? '?'} (${budget?.reason ?? 'unknown'}).`,
  ];
}
