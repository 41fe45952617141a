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

/** Why each value is what it is, with its arithmetic. */
export function commentsOn(
  values: Readonly<Record<string, YamlValue>>,
  { replicas, pods, ownRedis, settings }: CommentInput,
): YamlComment[] {
  const seconds = pods.startupChecks * STARTUP_PERIOD;
  const environment = values.extraEnvVars as Readonly<Record<string, YamlValue>>;
  return [
    [
      ['replicaCount'],
      'One worker a pod: more of them in one pod would share a restart, and its memory limit.',
    ],
    [
      ['workload'],
      'Left empty it would be a StatefulSet, whose pods roll one by one: two versions on one database.',
    ],
    [['strategy'], 'For the same reason. A StatefulSet would take this word too, and the API refuse it.'],
    [['image', 'tag'], 'The version that the figures below were measured with; the chart’s own is older.'],
    [['ollama'], 'On by default, like pipelines.'],
    [['openaiApiKeyExistingSecret'], 'Otherwise the chart renders a made-up key.'],
    [['resources', 'requests', 'memory'], `${pods.requestReason}. Pods share no memory: each pays in full.`],
    [
      ['resources', 'limits'],
      `Twice the request (a choice). No limit for the CPU: it would stretch the boot. A node that holds k pods needs ` +
        `k × ${formatBytes(pods.request)} free, and never overcommits with k × ${formatBytes(pods.limit)}.`,
    ],
    [
      ['startupProbe'],
      `${pods.startupChecks} × ${STARTUP_PERIOD} s = ${seconds} s, six times the measured boot of ` +
        `${MEASURED.bootSeconds} s. Migrations run before the port opens: the first step gives them an hour.`,
    ],
    [['readinessProbe'], 'Asks the database too: a pod without it gets no requests, but is not restarted.'],
    [['livenessProbe'], 'A minute without an answer: a worker that is merely busy must not be killed.'],
    [['persistence', 'storageClass'], 'Of --storage-class: all pods mount one volume of uploads.'],
    ...redisComments(ownRedis, replicas),
    [['topologySpreadConstraints'], 'Spread where possible; required, it would leave pods pending.'],
    [['ingress', 'class'], 'nginx, as an example: with another one, its own annotations too.'],
    [
      ['ingress', 'annotations'],
      'Affinity is not needed (socket.io uses WebSockets only), and reduces jitter. An answer streams for as long as it ' +
        'takes, and an upload is as large as Open WebUI lets it be.',
    ],
    [
      ['extraEnvVars'],
      `A map: a list in an overlay would replace all of it. Secrets are references to ${SECRET}.`,
    ],
    [['extraEnvVars', 'ENABLE_DB_MIGRATIONS'], 'On in the first step only.'],
    [['extraEnvVars', 'UVICORN_WORKERS'], 'The pods are the workers.'],
    ...settings.flatMap(({ key, reason }): YamlComment[] =>
      reason !== 'yours' && key in environment && key !== 'DATABASE_POOL_SIZE'
        ? [[['extraEnvVars', key], sentence(reason)]]
        : [],
    ),
    [
      ['extraResources'],
      `While nodes are drained, at most ${mayBeMissing(replicas)} of ${replicas} may be away (a third). A second list ` +
        'in an overlay drops this one. It opens with a blank line because the chart needs one.',
    ],
  ];
}

function redisComments(ownRedis: boolean, replicas: number): YamlComment[] {
  if (ownRedis) {
    return [
      [
        ['websocket'],
        'Your Redis (REDIS_URL in the Secret); the chart’s own has to be switched off by itself.',
      ],
    ];
  }
  return [
    [
      ['websocket', 'redis', 'args'],
      `One Redis without a password, for ${replicas} pods. Its defaults close a slow pub/sub client at 32 MB; idle ` +
        'connections go after half an hour.',
    ],
    [['websocket', 'redis', 'resources'], 'The limit holds one such buffer of 1 GB, and what is stored.'],
  ];
}

/** The sum of all pools, on the first of their settings. */
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
