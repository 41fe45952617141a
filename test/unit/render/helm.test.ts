import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { TuneError } from '../../../src/base/errors.ts';
import { GIB, MIB } from '../../../src/base/units.ts';
import { makePlan } from '../../../src/plan/index.ts';
import type { PlanInput } from '../../../src/plan/input.ts';
import { GRACE_SECONDS, MOST_WORKERS_PER_POD, type PodsRequest, planPods } from '../../../src/plan/pods.ts';
import { clusterMemory, NODE_IMAGE } from '../../../src/render/cluster-in-image.ts';
import { HELM_HEADER } from '../../../src/render/first-lines.ts';
import { IN_TOOLS_IMAGE } from '../../../src/render/helm/cluster.ts';
import { renderHelm } from '../../../src/render/helm/index.ts';
import type { HelmOptions } from '../../../src/render/helm/options.ts';
import { PM2_VERSION } from '../../../src/render/pm2-version.ts';
import { ROOT } from '../../kit/environment.ts';
import { DOWN, hostileText, inputOf, machineOf, SERVICES } from '../../kit/inputs.ts';
import { settingsOf } from '../../kit/settings-of.ts';

type Options = HelmOptions & PodsRequest;

const OPTIONS: Options = { replicas: 6, workersPerPod: 1, storageClass: 'nfs-rwx', host: 'chat.example.com' };

/** Every key of the chart that is rendered: its values.yaml, chart 16.0.0. A map below a `*` is the user's own. */
const CHART_KEYS = new Set([
  'replicaCount',
  'workload.kind',
  'strategy.type',
  'image.repository',
  'image.tag',
  'ollama.enabled',
  'ollamaUrlsFromExtraEnv',
  'pipelines.enabled',
  'openaiBaseApiUrl',
  'openaiApiKeyExistingSecret',
  'openaiApiKeyExistingSecretKey',
  'command',
  'extraInitContainers',
  'volumes',
  'volumeMounts.container',
  'resources.*',
  'copyAppData.resources',
  'startupProbe.*',
  'readinessProbe.*',
  'livenessProbe.*',
  'persistence.size',
  'persistence.storageClass',
  'persistence.accessModes',
  'websocket.enabled',
  'websocket.manager',
  'websocket.existingSecret',
  'websocket.existingSecretKey',
  'websocket.redis',
  'topologySpreadConstraints',
  'ingress.enabled',
  'ingress.class',
  'ingress.host',
  'ingress.tls',
  'ingress.annotations',
  'extraEnvVars.*',
  'extraResources',
]);

// biome-ignore lint/suspicious/noExplicitAny: a parsed file, whose shape is what is tested
type Values = any;

function helm(overrides: Partial<PlanInput> = {}, options: Options = OPTIONS) {
  const pods = planPods(inputOf(overrides), options);
  const { text, ...rest } = renderHelm(pods, { ...options, version: '0.1.0' });
  return { text, values: parse(text) as Values, pods, ...rest };
}

function refusal(overrides: Partial<PlanInput>, options: Options = OPTIONS): string {
  try {
    helm(overrides, options);
  } catch (error) {
    if (error instanceof TuneError) return [error.message, ...error.mend].join('\n');
    throw error;
  }
  return 'nothing was refused';
}

const postgres = (facts: object) => ({
  services: { ...SERVICES, database: { ...SERVICES.database, ...facts } } as typeof SERVICES,
});

describe.each([
  ['one worker in each pod', OPTIONS],
  ['a cluster in each pod', { ...OPTIONS, workersPerPod: 2 }],
])('renderHelm with %s', (_, options) => {
  const { text, values, secretKeys } = helm({}, options);

  it('begins with the line that we know our files by', () =>
    expect(text.startsWith(`${HELM_HEADER}\n`)).toBe(true));

  it('uses keys that the chart has', () => {
    const keys = Object.entries(values).flatMap(([key, value]) =>
      value !== null && typeof value === 'object' && !Array.isArray(value)
        ? Object.keys(value).map((inner) => (CHART_KEYS.has(`${key}.*`) ? `${key}.*` : `${key}.${inner}`))
        : [key],
    );
    expect(keys.filter((key) => !CHART_KEYS.has(key))).toEqual([]);
  });

  it('gives the environment as a map of strings and references', () => {
    for (const [name, value] of Object.entries<Values>(values.extraEnvVars)) {
      expect(name).toMatch(/^[A-Z][A-Z0-9_]*$/);
      if (typeof value !== 'string') {
        expect(value).toEqual({ valueFrom: { secretKeyRef: { name: 'open-webui-env', key: name } } });
        expect(secretKeys).toContain(name);
      }
    }
  });

  it('gives extra resources as strings that open with a blank line', () => {
    expect(values.extraResources).toEqual([expect.stringMatching(/^\napiVersion: policy\/v1\n/)]);
    expect(values.extraResources[0]).toContain('maxUnavailable: 2\n');
  });

  it('lets a pod take six times the measured boot', () =>
    expect(values.startupProbe.periodSeconds * values.startupProbe.failureThreshold).toBeGreaterThanOrEqual(
      6 * 16,
    ));

  it('shares one volume, and never rolls two versions', () => {
    expect(values.persistence).toMatchObject({ accessModes: ['ReadWriteMany'], storageClass: 'nfs-rwx' });
    expect([values.workload.kind, values.strategy.type]).toEqual(['Deployment', 'Recreate']);
  });

  it.each([1, 6, 14])('keeps the pools of %d pods within the database', (replicas) => {
    const { extraEnvVars: env } = helm({}, { ...options, replicas }).values;
    const pool = Number(env.DATABASE_POOL_SIZE) + Number(env.DATABASE_POOL_MAX_OVERFLOW);
    expect(pool).toBeGreaterThan(0);
    const workers = (replicas + 1) * (options.workersPerPod ?? 1);
    expect(workers * (2 * pool + Number(env.PGVECTOR_POOL_SIZE))).toBeLessThanOrEqual(500 - 3 - 7 - 5);
  });
});

describe('one worker in each pod', () => {
  const { text, values, steps } = helm();

  it('has not changed by accident', () => expect(text).toMatchFileSnapshot('../../fixtures/values.yaml.txt'));

  it('migrates in one pod, then starts them all', () => {
    expect(values.extraEnvVars.ENABLE_DB_MIGRATIONS).toBe('False');
    expect(steps[0]).toBe(
      `${steps[1]} --set replicaCount=1 --set startupProbe.failureThreshold=1800 ` +
        '--set-string extraEnvVars.ENABLE_DB_MIGRATIONS=True',
    );
    for (const step of steps) expect(text).toContain(`#      ${step}\n`);
  });

  it.each([1, 6, 17, 40])('keeps the pools of %d pods within the database', (replicas) => {
    const { extraEnvVars: env } = helm({}, { ...OPTIONS, replicas }).values;
    const pool = Number(env.DATABASE_POOL_SIZE) + Number(env.DATABASE_POOL_MAX_OVERFLOW);
    expect(pool).toBeGreaterThan(0);
    expect(replicas * (2 * pool + Number(env.PGVECTOR_POOL_SIZE))).toBeLessThanOrEqual(500 - 3 - 7 - 5);
  });

  it('takes the workers of the plan where no number of pods is given', () =>
    expect(helm({}, { storageClass: 'nfs', host: 'a.example', workersPerPod: 1 }).pods.replicas).toBe(
      makePlan(inputOf()).workers,
    ));

  it('asks for more memory where each pod embeds documents itself', () => {
    const remote = helm({ settings: settingsOf({ RAG_EMBEDDING_ENGINE: 'openai' }) }).values;
    expect(remote.resources.requests.memory).toBe('1024Mi');
    expect(values.resources.requests.memory).toBe('1280Mi');
  });

  it('takes a Redis of the user’s, by reference, and switches the chart’s off', () => {
    const own = helm({ settings: settingsOf({ REDIS_URL: 'redis://redis.example:6379/0' }) });
    expect(own.values.websocket).toMatchObject({ existingSecretKey: 'REDIS_URL', redis: { enabled: false } });
    expect(own.secretKeys).toContain('REDIS_URL');
    const local = helm({ settings: settingsOf({ REDIS_URL: 'redis://127.0.0.1:6379/0' }) });
    expect(local.values.websocket.redis.enabled).toBe(true);
  });

  it('leaves out what is an address of this machine, and says so', () => {
    const { values: left, warnings } = helm({
      settings: settingsOf({ OLLAMA_BASE_URL: 'http://localhost:11434' }),
    });
    expect(left.extraEnvVars).not.toHaveProperty('OLLAMA_BASE_URL');
    expect(warnings.join()).toContain('OLLAMA_BASE_URL');
  });

  it('leaves this machine’s folder of models out, unless an env file names it', () => {
    const values = { HF_HOME: '/home/me/models' };
    expect(helm({ settings: settingsOf(values) }).values.extraEnvVars).not.toHaveProperty('HF_HOME');
    const said = helm({ settings: settingsOf(values, 'env file') }).values.extraEnvVars;
    expect(said).toMatchObject(values);
  });

  it('says what was assumed of a database that does not answer', () => {
    const silent = {
      services: { ...SERVICES, database: { kind: 'postgresql', where: 'db:5432/x', answer: DOWN } },
    } as const;
    expect(helm(silent).warnings.join()).toContain('assuming max_connections = 100');
    expect(helm(silent).text.replace(/\s*\n\s*# /g, ' ')).toContain('max_connections 100 − 3 reserved');
  });
});

describe('a cluster in each pod', () => {
  const CLUSTER: Options = { ...OPTIONS, replicas: 2, workersPerPod: 2 };
  const { text, values, steps, pods } = helm({}, CLUSTER);
  const remote = { settings: settingsOf({ RAG_EMBEDDING_ENGINE: 'openai' }) };
  const script: string = values.command[2];
  const apps = (given: Values = values) =>
    JSON.parse(/<<'END'\n(.*?)\nEND\n/s.exec(given.command[2])?.[1] ?? '').apps as Values[];
  const MIB_OF = (quantity: string) => Number(/^(\d+)Mi$/.exec(quantity)?.[1]);

  it('has not changed by accident', () =>
    expect(text).toMatchFileSnapshot('../../fixtures/values.cluster.yaml.txt'));

  it('runs so many workers under PM2 in the image, on all of its addresses', () => {
    const [preload, cluster] = apps();
    expect(cluster).toMatchObject({ name: 'open-webui', exec_mode: 'cluster', instances: 2 });
    expect(preload.env).toMatchObject({ WEBUI_TUNE_HOST: '0.0.0.0', WEBUI_TUNE_PORT: '8080' });
    expect(script).toContain('/opt/webui-tune/tools/node_modules/pm2/bin/pm2-runtime start /run/webui-tune/');
    expect(values.volumeMounts.container).toEqual([
      { name: 'webui-tune', mountPath: '/opt/webui-tune', readOnly: true },
    ]);
  });

  it.each([
    [undefined, 15],
    [90, 60],
    [40, 25],
  ])('drains within %s s of grace, after the time in which requests still come', (graceSeconds, drain) => {
    const given = helm({}, { ...CLUSTER, ...(graceSeconds && { graceSeconds }) });
    const [, cluster] = apps(given.values);
    expect(cluster.env.WEBUI_TUNE_DRAIN_SECONDS).toBe(`${drain}`);
    expect(given.values.command[2]).toContain(`trap 'sleep 5; kill -TERM $! || true' TERM INT`);
    expect(given.warnings.join().includes('terminationGracePeriodSeconds')).toBe(graceSeconds !== undefined);
  });

  it('asks the cluster whether it is ready, and any worker whether it lives', () => {
    expect(values.startupProbe.httpGet.path).toBe('/ready');
    expect(values.readinessProbe.httpGet.path).toBe('/ready');
    expect(values.livenessProbe.httpGet.path).toBe('/health');
  });

  it('brings Node, PM2 and the runtime from npm’s registry, by their versions', () => {
    const [init] = values.extraInitContainers;
    expect(init.image).toBe('node:22-bookworm-slim');
    expect(init.command[2]).toContain('npm pack --silent webui-tune@0.1.0\n');
    expect(init.command[2]).toContain(`pm2@${PM2_VERSION}\n`);
  });

  it('brings them from an image, where one is named', () => {
    const { values: own } = helm({}, { ...CLUSTER, toolsImage: 'registry.example.com:5000/tools:0.1.0' });
    const [init] = own.extraInitContainers;
    expect(init.image).toBe('registry.example.com:5000/tools:0.1.0');
    expect(init.command[2]).toContain('cp -R /usr/local/share/webui-tune/. /opt/webui-tune\n');
  });

  it('is documented with what is rendered', () => {
    const page = readFileSync(join(ROOT, 'docs', 'kubernetes.md'), 'utf8');
    for (const part of [
      `FROM ${NODE_IMAGE}\n`,
      `WORKDIR ${IN_TOOLS_IMAGE}\n`,
      `pm2@${PM2_VERSION} \\\n`,
      `1 to ${MOST_WORKERS_PER_POD} `,
      `default: ${GRACE_SECONDS}`,
    ]) {
      expect(page).toContain(part);
    }
  });

  it('migrates in one pod that replaces all others, then rolls', () => {
    expect(values.extraEnvVars.ENABLE_DB_MIGRATIONS).toBe('False');
    expect(steps[0]).toMatch(
      / -f values\.yaml --wait --timeout 70m --set replicaCount=1 --set startupProbe\.failureThreshold=1800 --set-string extraEnvVars\.ENABLE_DB_MIGRATIONS=True$/,
    );
    expect(steps[1]).toContain('strategy.type=RollingUpdate');
    for (const step of steps) expect(text).toContain(`#      ${step}\n`);
  });

  it('takes the memory that its plan has', () => {
    const lean = helm(remote, CLUSTER).pods;
    const { cluster, request, limit } = lean;
    if (!cluster) throw new Error('there is no cluster');
    const { memory, documents } = cluster;
    expect(memory).toMatchObject({ level: 'lean', base: 260 * MIB, worker: 70 * MIB });
    expect(request).toBeGreaterThanOrEqual(memory.predicted + 3 * memory.growth);
    expect(clusterMemory(cluster)).toBeLessThanOrEqual(limit);
    expect(documents.atOnce).toBeGreaterThan(0);
    expect(MIB_OF(helm(remote, CLUSTER).values.resources.requests.memory)).toBe(request / MIB);
    expect(MIB_OF(values.resources.requests.memory)).toBeGreaterThan(request / MIB);
  });

  it.each([2, 3, 4, 6, 9])(
    'has room in its limit for %d workers at theirs, and for documents',
    (workersPerPod) => {
      for (const overrides of [remote, {}]) {
        const { cluster, limit, request } = planPods(inputOf(overrides), { replicas: 2, workersPerPod });
        expect(cluster?.workers).toBe(workersPerPod);
        expect(cluster && clusterMemory(cluster)).toBeLessThanOrEqual(limit);
        expect(request).toBeLessThan(limit);
      }
    },
  );

  it('shares memory: four workers ask for less than a third of what four pods do', () => {
    const four = helm(remote, { ...CLUSTER, workersPerPod: 4 }).pods.request;
    expect(four).toBeLessThan((4 * helm(remote, { ...OPTIONS, replicas: 4 }).pods.request) / 3);
  });

  it.each<[string, Partial<PlanInput>, PodsRequest, [pods: number, workers: number]]>([
    ['four cores', {}, {}, [2, 4]],
    ['sixteen cores', { machine: machineOf(16, 64 * GIB) }, {}, [4, 4]],
    ['two cores', { machine: machineOf(2, 8 * GIB) }, {}, [2, 2]],
    ['one core', { machine: machineOf(1, 8 * GIB) }, {}, [1, 1]],
    ['a number of pods', {}, { replicas: 3 }, [3, 4]],
    ['Open WebUI’s own server', { runtime: 'uvicorn' }, {}, [4, 1]],
    ['six workers', { workers: { value: 6, from: '--workers 6', source: 'flag' } }, {}, [2, 4]],
  ])('chooses for %s', (_, overrides, request, [replicas, workersPerPod]) =>
    expect(planPods(inputOf(overrides), request)).toMatchObject({ replicas, workersPerPod }),
  );

  it('keeps to a size of the user’s', () => {
    const memory = { value: 2 * GIB, from: '--memory 2GiB', source: 'flag' } as const;
    const { values: own, pods: given } = helm({ ...remote, memory }, CLUSTER);
    expect(own.resources.limits.memory).toBe('2048Mi');
    expect(given.cluster && clusterMemory(given.cluster)).toBeLessThanOrEqual(2 * GIB);
  });

  it('counts the pools of every worker, and of one more pod', () => {
    const { database } = pods;
    expect(text.replace(/\s*\n\s*# /g, ' ')).toMatch(
      /\(2 \+ 1\) pods × 2 workers × \(2 engines × \(15 \+ 5\) \+ 8 for vectors\) = 288 connections at most, of 485/,
    );
    expect(database.maxConnections).toBe(500);
  });
});

describe('secrets', () => {
  const secret = { value: 'hunter2', source: 'env file', secret: true } as const;
  const { text, values, secretKeys } = helm({
    settings: new Map([
      ['DATABASE_URL', { ...secret, value: 'postgresql://u:hunter2@db/x' }],
      ['OPENAI_API_KEY', secret],
      ['S3_SECRET_ACCESS_KEY', secret],
      ['WEBUI_SECRET_KEY', secret],
    ]),
  });

  it('are never in the file', () => expect(text).not.toContain('hunter2'));

  it('are named: each is a key of the Secret', () => {
    expect(secretKeys).toEqual([
      'WEBUI_SECRET_KEY',
      'DATABASE_URL',
      'OPENAI_API_KEY',
      'S3_SECRET_ACCESS_KEY',
    ]);
    expect(text).toContain(secretKeys.join(', '));
    expect(values.extraEnvVars.S3_SECRET_ACCESS_KEY.valueFrom.secretKeyRef.key).toBe('S3_SECRET_ACCESS_KEY');
  });

  it('are never there twice', () => expect(values.extraEnvVars).not.toHaveProperty('OPENAI_API_KEY'));
});

describe('values of the user', () => {
  it('arrive as they are, whatever is in them', () => {
    fc.assert(
      fc.property(hostileText, (hostile) => {
        const value = hostile.replaceAll('\0', '').replace(/[\ud800-\udfff]/g, '');
        const { values } = helm({ settings: settingsOf({ WEBUI_NAME: value }) });
        expect(fromTemplate(values.extraEnvVars.WEBUI_NAME)).toBe(value);
      }),
      { numRuns: 25 },
    );
  });

  it.each(['{{ .Values.x }}', '$(PATH)', 'no', '1:30', '0x10', 'true', '12'])('%j is text', (value) => {
    const { values, text } = helm({ settings: settingsOf({ WEBUI_NAME: value }) });
    expect(fromTemplate(values.extraEnvVars.WEBUI_NAME)).toBe(value);
    expect(parse(text, { version: '1.1' }).extraEnvVars.WEBUI_NAME).toBe(values.extraEnvVars.WEBUI_NAME);
  });
});

/** What the chart's template engine and then Kubernetes make of a value. */
function fromTemplate(value: string): string {
  return value.replaceAll('{{ "{{" }}', '{{').replaceAll('$$(', '$(');
}

describe('what cannot work is refused, with the reason', () => {
  it.each<[string, Partial<PlanInput>, Options, string]>([
    ['no storage class', {}, { ...OPTIONS, storageClass: '' }, '--storage-class'],
    [
      'a malformed storage class',
      {},
      { ...OPTIONS, storageClass: '{{ x }}' },
      'not a name that Kubernetes accepts',
    ],
    ['no host', {}, { storageClass: 'nfs' }, '--host'],
    ['a malformed host', {}, { ...OPTIONS, host: '0.0.0.0:80' }, 'not a name that Kubernetes accepts'],
    ['SQLite', { services: { database: { kind: 'sqlite' }, redis: { kind: 'none' } } }, OPTIONS, 'SQLite'],
    [
      'pools beyond max_connections',
      postgres({ maxConnections: 60, otherConnections: 0 }),
      OPTIONS,
      'max_connections = 100',
    ],
    ['the pools of too many pods', {}, { ...OPTIONS, replicas: 60 }, '60 + 1 pods × 10 connections'],
    [
      'pools of the user’s that do not fit',
      { settings: settingsOf({ DATABASE_POOL_SIZE: '40' }) },
      OPTIONS,
      'a smaller DATABASE_POOL_SIZE',
    ],
    [
      'pools without bound',
      { settings: settingsOf({ DATABASE_POOL_SIZE: '0' }) },
      OPTIONS,
      'nothing limits their number',
    ],
    ['a folder for vectors', postgres({ vector: 'missing' }), OPTIONS, 'VECTOR_DB'],
    [
      'more pods than Redis has clients for',
      postgres({ maxConnections: 9000 }),
      { ...OPTIONS, replicas: 200 },
      'Redis',
    ],
    [
      'more workers than Redis has clients for',
      postgres({ maxConnections: 9000 }),
      { ...OPTIONS, replicas: 60, workersPerPod: 4 },
      '--replicas 38',
    ],
    [
      'the pools of the workers of all pods',
      {},
      { ...OPTIONS, workersPerPod: 8 },
      '6 + 1 pods × 8 workers × 10 connections',
    ],
    [
      'a pod that is too small for its workers',
      { memory: { value: GIB, from: '--memory 1GiB', source: 'flag' } },
      { ...OPTIONS, workersPerPod: 4 },
      'a pod of 1,024 MiB (--memory 1GiB) holds',
    ],
    [
      'several workers of Open WebUI’s own server',
      { runtime: 'uvicorn' },
      { ...OPTIONS, workersPerPod: 2 },
      '--runtime uvicorn',
    ],
    ['an image that is none', {}, { ...OPTIONS, workersPerPod: 2, toolsImage: 'a b' }, '--tools-image'],
  ])('%s', (_, overrides, options, reason) => expect(refusal(overrides, options)).toContain(reason));
});
