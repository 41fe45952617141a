import { formatBytes, plural } from '../../base/units.ts';
import { namesThisMachine } from '../../plan/containers.ts';
import { GRACE_SECONDS, type Pods } from '../../plan/pods.ts';
import { HELM_HEADER } from '../first-lines.ts';
import { renderYaml } from '../yaml.ts';
import { commentsOn } from './comments.ts';
import { type HelmOptions, requireOptions } from './options.ts';
import { helmValues, SECRET, secretKeys } from './values.ts';

/** The chart that the values were rendered with, and schema-checked. */
const CHART = {
  name: 'open-webui/open-webui',
  version: '16.0.0',
  repository: 'https://helm.openwebui.com',
} as const;

/** Replaces one pod after another, each by one that serves already: for pods of one version. */
const ROLL =
  '--set strategy.type=RollingUpdate --set strategy.rollingUpdate.maxSurge=1 --set strategy.rollingUpdate.maxUnavailable=0';

/** Startup probes in the first step, one every two seconds: an hour for the migration. */
const MIGRATION_CHECKS = 1800;

export interface Helm {
  text: string;
  /** The two commands, in their order. */
  steps: readonly [migrate: string, scale: string];
  /** Keys that the Secret must have. */
  secretKeys: string[];
  /** One line: pods and memory. */
  summary: string;
  warnings: string[];
}

/**
 * values.yaml for Open WebUI's chart, and how to install it. `version` is this package's. Pure. Throws TuneError for malformed
 * options.
 */
export function renderHelm(pods: Pods, given: HelmOptions & { version: string }, file = 'values.yaml'): Helm {
  const options = requireOptions(given);
  const { plan, replicas, workersPerPod, database, settings, local, graceSeconds } = pods;
  const redis = plan.settings.find(({ key }) => key === 'REDIS_URL');
  const ownRedis = redis !== undefined && !(redis.value !== undefined && namesThisMachine(redis.value));
  const cluster = pods.cluster && {
    cluster: pods.cluster,
    version: given.version,
    toolsImage: options.toolsImage,
  };
  const values = helmValues({ options, pods, cluster, ownRedis });
  const keys = secretKeys(settings, ownRedis);
  const steps = installSteps(file, cluster !== undefined);
  return {
    text: renderYaml(values, commentsOn(values, { pods, cluster, ownRedis }), header(steps, keys, pods)),
    steps,
    secretKeys: keys,
    summary:
      `${plural(replicas, 'pod')}, ${workersPerPod === 1 ? 'one worker' : `${workersPerPod} workers`} each: ` +
      `${formatBytes(replicas * pods.request)} of memory requested, ${formatBytes(replicas * pods.limit)} at most`,
    warnings: [
      ...(database.answer.up
        ? []
        : [
            `PostgreSQL at ${database.where} does not answer from here; assuming max_connections = ${database.maxConnections}`,
          ]),
      ...(local.length > 0
        ? [`left out, because a pod cannot reach these addresses: ${local.join(', ')}`]
        : []),
      ...(namesThisMachine(`postgresql://${database.where}`)
        ? [`DATABASE_URL names this machine: in ${SECRET}, give it an address that pods can reach`]
        : []),
      ...(cluster === undefined && options.toolsImage !== undefined
        ? ['--tools-image is not used: a pod of one worker needs no tools']
        : []),
      ...(cluster === undefined || graceSeconds === GRACE_SECONDS
        ? []
        : [
            `the chart gives a pod ${GRACE_SECONDS} s to end: set terminationGracePeriodSeconds to ${graceSeconds} as ` +
              'docs/kubernetes.md says, or the workers are killed before they have finished',
          ]),
    ],
  };
}

function installSteps(file: string, hasCluster: boolean): Helm['steps'] {
  const install = `helm upgrade --install owui ${CHART.name} --version ${CHART.version} -n chat -f ${file} --wait --timeout 70m`;
  const once =
    `--set replicaCount=1 --set startupProbe.failureThreshold=${MIGRATION_CHECKS} ` +
    '--set-string extraEnvVars.ENABLE_DB_MIGRATIONS=True';
  return [`${install} ${once}`, hasCluster ? `${install} ${ROLL}` : install];
}

function header([migrate, scale]: Helm['steps'], keys: readonly string[], { cluster }: Pods): string {
  return `${HELM_HEADER.slice(2)}

Rendered, and checked with helm and the strict Kubernetes schemas against chart ${CHART.version}; never applied to a cluster.
The chart has no schema: it silently ignores a misspelt key.

1. Once: make a Secret from a private file with a line NAME=value for each of these keys:
   ${keys.join(', ')}
   (WEBUI_SECRET_KEY: openssl rand -hex 32, and never change it. OPENAI_API_KEY may be empty.)

     helm repo add open-webui ${CHART.repository}
     kubectl create namespace chat
     kubectl -n chat create secret generic ${SECRET} --from-env-file=secrets.env

2. First install and every upgrade: two steps. Open WebUI is down meanwhile, because two versions must never serve one
   database. First one pod migrates (pods that start together on an empty database collide):

     ${migrate}

   then all of them:

     ${scale}${cluster ? ROLLING : ''}`;
}

const ROLLING = `

3. Other settings, and the same version: the second command alone. It replaces one pod after another, without an outage.`;
