import { formatBytes } from '../../base/units.ts';
import { REDIS_CONNECTIONS } from '../../plan/bounds.ts';
import { MEASURED } from '../../plan/measured-capacity.ts';
import { everyWorker, type Pods, STARTUP_PERIOD } from '../../plan/pods.ts';
import { connectionBudget, connectionsOf } from '../../plan/pools.ts';
import { sentence, type YamlComment, type YamlValue } from '../yaml.ts';
import { type ClusterInput, clusterComments } from './cluster.ts';
import { mayBeMissing, SECRET } from './values.ts';

interface CommentInput {
  pods: Pods;
  cluster: ClusterInput | undefined;
  ownRedis: boolean;
}

/** The reason for each value, with its arithmetic. */
export function commentsOn(
  values: Readonly<Record<string, YamlValue>>,
  { pods, cluster, ownRedis }: CommentInput,
): YamlComment[] {
  const { replicas, settings } = pods;
  const forms = cluster ? [...ofCluster(pods), ...clusterComments(pods, cluster)] : ofOneWorker();
  const seconds = pods.startupChecks * STARTUP_PERIOD;
  const environment = values.extraEnvVars as Readonly<Record<string, YamlValue>>;
  return [
    ...forms,
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
      ['resources', 'limits', 'memory'],
      `${pods.limitReason}. No CPU limit, because it would slow the boot down. A node with k pods needs ` +
        `k × ${formatBytes(pods.request)} free; with k × ${formatBytes(pods.limit)} it never overcommits.`,
    ],
    [
      ['startupProbe'],
      `${pods.startupChecks} × ${STARTUP_PERIOD} s = ${seconds} s, six times the measured boot of ` +
        `${MEASURED.bootSeconds} s. Migrations run before the port opens: the first step gives them an hour.`,
    ],
    [['livenessProbe'], 'A minute without an answer, because a worker that is only busy must not be killed.'],
    [['persistence', 'storageClass'], 'From --storage-class: all pods mount one volume of uploads.'],
    ...redisComments(ownRedis, pods),
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
    connectionsComment(pods),
  ];
}

function ofOneWorker(): YamlComment[] {
  return [
    [['replicaCount'], 'One worker in each pod (--workers-per-pod 1).'],
    [
      ['readinessProbe'],
      'Asks the database too: a pod that cannot reach it gets no requests, but is not restarted.',
    ],
    [['extraEnvVars', 'UVICORN_WORKERS'], 'The pods are the workers.'],
  ];
}

function ofCluster({ replicas, workersPerPod }: Pods): YamlComment[] {
  return [
    [
      ['replicaCount'],
      `${replicas} pods × ${workersPerPod} workers (--workers-per-pod). The workers of a pod share its memory, and a pod can ` +
        'replace a worker without ending.',
    ],
    [
      ['readinessProbe'],
      'The database and Redis answer: a pod that cannot reach them gets no requests, but is not restarted.',
    ],
    [['extraEnvVars', 'PATH'], 'The image’s own, after Node and PM2: kubectl exec … -- pm2 list.'],
  ];
}

function redisComments(ownRedis: boolean, { replicas, workersPerPod }: Pods): YamlComment[] {
  if (ownRedis) {
    return [
      [
        ['websocket'],
        'Your Redis (REDIS_URL in the Secret). The chart’s own Redis has to be switched off separately.',
      ],
    ];
  }
  const several =
    workersPerPod === 1
      ? ''
      : ` × ${workersPerPod} workers, each with up to ${REDIS_CONNECTIONS} connections, and for one more pod`;
  return [
    [
      ['websocket', 'redis', 'args'],
      `One Redis without a password, for ${replicas} pods${several}. By default Redis closes a slow pub/sub client at 32 MB. Idle ` +
        'connections are closed after half an hour.',
    ],
    [
      ['websocket', 'redis', 'resources'],
      'The limit has space for one such buffer of 1 GB and the stored data.',
    ],
  ];
}

/** The sum of all pools, as a comment on the first of their settings. */
function connectionsComment({ replicas, workersPerPod, database, settings }: Pods): YamlComment {
  const number = (name: string) => Number(settings.find(({ key }) => key === name)?.value ?? 0);
  const [size, overflow] = [number('DATABASE_POOL_SIZE'), number('DATABASE_POOL_MAX_OVERFLOW')];
  const vector = number('PGVECTOR_POOL_SIZE') + number('PGVECTOR_POOL_MAX_OVERFLOW');
  const each = connectionsOf({ engine: size + overflow, vector });
  const budget = connectionBudget(database);
  const [pods, workers] =
    workersPerPod === 1
      ? [`${replicas} pods`, replicas]
      : [`(${replicas} + 1) pods × ${workersPerPod} workers`, everyWorker(replicas, workersPerPod)];
  return [
    ['extraEnvVars', 'DATABASE_POOL_SIZE'],
    `${pods} × (2 engines × (${size} + ${overflow}) + ${vector} for vectors) = ${workers * each} connections at most, of ` +
      `${budget?.connections ?? '?'} (${budget?.reason ?? 'unknown'}).`,
  ];
}
