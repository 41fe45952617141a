import { formatBytes } from '../../base/units.ts';
import { containerSettings, embedsLocally, namesThisMachine } from '../../plan/containers.ts';
import type { Plan } from '../../plan/types.ts';
import { HELM_HEADER } from '../first-lines.ts';
import { renderYaml } from '../yaml.ts';
import { commentsOn, connectionsComment } from './comments.ts';
import { type HelmOptions, requireOptions } from './options.ts';
import { podDatabase, podFigures, requirePossible } from './pods.ts';
import { helmValues, SECRET, secretKeys } from './values.ts';

/** The chart that the values were rendered with, and schema-checked. */
const CHART = {
  name: 'open-webui/open-webui',
  version: '16.0.0',
  repository: 'https://helm.openwebui.com',
} as const;

/** Startup probes in the first step, one every two seconds: an hour for the migration. */
const MIGRATION_CHECKS = 1800;

export interface Helm {
  text: string;
  replicas: number;
  /** The two commands, in their order. */
  steps: readonly [migrate: string, scale: string];
  /** Keys that the Secret must have. */
  secretKeys: string[];
  /** One line: pods and memory. */
  summary: string;
  warnings: string[];
}

/** values.yaml for Open WebUI's chart, and how to install it. Pure. Throws TuneError for what cannot work. */
export function renderHelm(plan: Plan, given: HelmOptions, file = 'values.yaml'): Helm {
  const options = requireOptions(given);
  const database = podDatabase(plan);
  const replicas = given.replicas ?? plan.workers;
  requirePossible(plan, replicas, database);
  const { limit, request } = podFigures(false);
  const { settings, local } = containerSettings(plan, {
    workers: replicas,
    database,
    workerLimit: limit - request,
  });
  const pods = podFigures(embedsLocally(settings));
  const redis = plan.settings.find(({ key }) => key === 'REDIS_URL');
  const ownRedis = redis !== undefined && !(redis.value !== undefined && namesThisMachine(redis.value));
  const values = helmValues({ replicas, options, pods, settings, ownRedis });
  const keys = secretKeys(settings, ownRedis);
  const steps = installSteps(file);
  const comments = [
    ...commentsOn(values, { replicas, pods, ownRedis, settings }),
    connectionsComment(replicas, database, settings),
  ];
  return {
    text: renderYaml(values, comments, header(steps, keys)),
    replicas,
    steps,
    secretKeys: keys,
    summary:
      `${replicas} ${replicas === 1 ? 'pod' : 'pods'}, one worker each: ${formatBytes(replicas * pods.request)} of memory ` +
      `requested, ${formatBytes(replicas * pods.limit)} at most`,
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
    ],
  };
}

function installSteps(file: string): readonly [string, string] {
  const install = `helm upgrade --install owui ${CHART.name} --version ${CHART.version} -n chat -f ${file} --wait --timeout 70m`;
  const once =
    `--set replicaCount=1 --set startupProbe.failureThreshold=${MIGRATION_CHECKS} ` +
    '--set-string extraEnvVars.ENABLE_DB_MIGRATIONS=True';
  return [`${install} ${once}`, install];
}

function header([migrate, scale]: Helm['steps'], keys: readonly string[]): string {
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

     ${scale}`;
}
