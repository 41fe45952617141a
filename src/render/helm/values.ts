import type { ContainerSetting } from '../../plan/containers.ts';
import { type Pods, REDIS_CLIENTS, STARTUP_PERIOD } from '../../plan/pods.ts';
import { CLUSTER_ENVIRONMENT, DATA_DIR } from '../cluster-in-image.ts';
import { OPEN_WEBUI_IMAGE } from '../image.ts';
import { block, type YamlValue } from '../yaml.ts';
import { type ClusterInput, clusterValues } from './cluster.ts';
import type { CheckedOptions } from './options.ts';

/** Name of the Secret that the user makes; its keys are the names of the settings. */
export const SECRET = 'open-webui-env';

/** The chart's fixed label on its pods (its templates/_helpers.tpl, selectorLabels). */
const COMPONENT = { 'app.kubernetes.io/component': 'open-webui' };

/** Settings that the chart renders from its own keys: in extraEnvVars they would appear twice. */
const OF_THE_CHART: ReadonlySet<string> = new Set([
  'ENABLE_WEBSOCKET_SUPPORT',
  'OPENAI_API_BASE_URL',
  'OPENAI_API_KEY',
  'WEBSOCKET_MANAGER',
]);

const OLLAMA = /^(?:OLLAMA_BASE_URLS?|ENABLE_OLLAMA_API)$/;

/** Settings that every pod reads from the Secret, beside the user's own secrets. */
export const SECRET_KEYS = ['WEBUI_SECRET_KEY', 'DATABASE_URL', 'OPENAI_API_KEY'] as const;

export interface ValuesInput {
  options: CheckedOptions;
  pods: Pods;
  /** The cluster in each pod; undefined: one worker, by the image's own server. */
  cluster: ClusterInput | undefined;
  /** Whether the user's own Redis replaces the chart's. */
  ownRedis: boolean;
}

/** All of values.yaml, as data. */
export function helmValues({ options, pods, cluster, ownRedis }: ValuesInput): Record<string, YamlValue> {
  const { replicas, settings } = pods;
  // What the image's own server offers; the cluster is ready when a worker is, and Redis answers too.
  const [started, ready] = cluster ? ['/ready', '/ready'] : ['/health', '/health/db'];
  const openai = settings.find(({ key }) => key === 'OPENAI_API_BASE_URL')?.value;
  return {
    replicaCount: replicas,
    workload: { kind: 'Deployment' },
    strategy: { type: 'Recreate' },
    image: { repository: OPEN_WEBUI_IMAGE.repository, tag: OPEN_WEBUI_IMAGE.tag },
    ...(cluster && clusterValues(cluster)),
    ollama: { enabled: false },
    // Otherwise the chart sets ENABLE_OLLAMA_API itself.
    ...(settings.some(({ key }) => OLLAMA.test(key)) && { ollamaUrlsFromExtraEnv: true }),
    pipelines: { enabled: false },
    ...(openai && { openaiBaseApiUrl: openai }),
    openaiApiKeyExistingSecret: SECRET,
    openaiApiKeyExistingSecretKey: 'OPENAI_API_KEY',
    resources: {
      requests: { cpu: `${pods.cpu}m`, memory: mebibytes(pods.request) },
      limits: { memory: mebibytes(pods.limit) },
    },
    copyAppData: {
      resources: { requests: { cpu: '50m', memory: '64Mi' }, limits: { memory: '128Mi' } },
    },
    startupProbe: {
      ...httpProbe(started),
      periodSeconds: STARTUP_PERIOD,
      timeoutSeconds: 5,
      failureThreshold: pods.startupChecks,
    },
    readinessProbe: { ...httpProbe(ready), periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 3 },
    livenessProbe: { ...httpProbe('/health'), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
    persistence: { size: '20Gi', storageClass: options.storageClass, accessModes: ['ReadWriteMany'] },
    websocket: websocket(ownRedis),
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'kubernetes.io/hostname',
        whenUnsatisfiable: 'ScheduleAnyway',
        labelSelector: { matchLabels: { ...COMPONENT } },
      },
    ],
    ingress: {
      enabled: true,
      class: 'nginx',
      host: options.host,
      tls: true,
      annotations: {
        'nginx.ingress.kubernetes.io/affinity': 'cookie',
        'nginx.ingress.kubernetes.io/proxy-read-timeout': '3600',
        'nginx.ingress.kubernetes.io/proxy-body-size': '0',
      },
    },
    extraEnvVars: environment(settings, options.host, cluster !== undefined),
    extraResources: [block(disruptionBudget(replicas))],
  };
}

/** Pods that may be missing at once: a third of them, at least one. */
export function mayBeMissing(replicas: number): number {
  return Math.max(1, Math.floor(replicas / 3));
}

function httpProbe(path: string): { httpGet: { path: string; port: string } } {
  return { httpGet: { path, port: 'http' } };
}

function websocket(ownRedis: boolean): Record<string, YamlValue> {
  const manager = { enabled: true, manager: 'redis' };
  if (ownRedis) {
    return { ...manager, existingSecret: SECRET, existingSecretKey: 'REDIS_URL', redis: { enabled: false } };
  }
  return {
    ...manager,
    redis: {
      enabled: true,
      args: [
        '--timeout',
        '1800',
        '--maxclients',
        String(REDIS_CLIENTS),
        '--client-output-buffer-limit',
        'pubsub 1gb 256mb 180',
      ],
      resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '1536Mi' } },
    },
  };
}

/** Every value is a string: Kubernetes refuses a number or a boolean. */
function environment(
  settings: readonly ContainerSetting[],
  host: string,
  hasCluster: boolean,
): Record<string, YamlValue> {
  const own: Record<string, YamlValue> = {
    WEBUI_SECRET_KEY: secretRef('WEBUI_SECRET_KEY'),
    DATABASE_URL: secretRef('DATABASE_URL'),
    ENABLE_DB_MIGRATIONS: 'False',
    ...(hasCluster ? { DATA_DIR, ...CLUSTER_ENVIRONMENT } : { UVICORN_WORKERS: '1' }),
    CORS_ALLOW_ORIGIN: `https://${host}`,
  };
  const named = settings.filter(
    ({ key }) => !OF_THE_CHART.has(key) && (key === 'CORS_ALLOW_ORIGIN' || !(key in own)),
  );
  const theirs = named.map(
    ({ key, value }) => [key, value === undefined ? secretRef(key) : literal(value)] as const,
  );
  return { ...own, ...Object.fromEntries(theirs) };
}

/** The keys that the Secret must have. */
export function secretKeys(settings: readonly ContainerSetting[], ownRedis: boolean): string[] {
  const theirs = settings.filter(({ key, value }) => value === undefined && !OF_THE_CHART.has(key));
  return [...new Set([...SECRET_KEYS, ...(ownRedis ? ['REDIS_URL'] : []), ...theirs.map(({ key }) => key)])];
}

function secretRef(key: string): YamlValue {
  return { valueFrom: { secretKeyRef: { name: SECRET, key } } };
}

/** Escapes a value: the chart passes it through its template engine, and Kubernetes expands $(NAME). */
function literal(value: string): string {
  return value.replaceAll('{{', '{{ "{{" }}').replaceAll('$(', '$$$$(');
}

/** A string that begins with a blank line, because the chart puts `---` directly before it; as an object it fails `helm lint`. */
function disruptionBudget(replicas: number): string {
  return `
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "open-webui.fullname" . }}
  namespace: {{ include "open-webui.namespace" . }}
spec:
  maxUnavailable: ${mayBeMissing(replicas)}
  selector:
    matchLabels:
      app.kubernetes.io/instance: {{ .Release.Name }}
      app.kubernetes.io/component: open-webui
`;
}

/** Bytes as Kubernetes writes them. */
export function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)}Mi`;
}
