/**
 * The rendered values against Helm and the strict schemas of Kubernetes; nothing is applied to a cluster. The chart is
 * of others and not in this repository: without a checkout (WEBUI_TUNE_CHART=…/charts/open-webui), the parts that it
 * copies as they are into a pod are checked alone.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { type PodsRequest, planPods } from '../../src/plan/pods.ts';
import { renderHelm } from '../../src/render/helm/index.ts';
import { ROOT } from '../kit/environment.ts';
import { inputOf, SERVICES } from '../kit/inputs.ts';
import { CHART, keptChart, renderChart } from '../kit/rendered-chart.ts';
import { faultsIn, type KubernetesObject } from './kubernetes.ts';
import { chartWithoutDependencies, helmTemplate, schemaFaults } from './validators.ts';

if (!CHART) {
  process.stderr.write(
    'skipped: the rendered chart. WEBUI_TUNE_CHART names no checkout of github.com/open-webui/helm-charts ' +
      '(its folder charts/open-webui); only the parts that it copies into a pod are checked\n',
  );
}

/** What PostgreSQL has for us with its default of 100. */
const CONNECTIONS = 92;

const database = {
  ...SERVICES.database,
  maxConnections: 100,
  otherConnections: 0,
} as (typeof SERVICES)['database'];
const FORMS: [string, PodsRequest][] = [
  ['one worker in each of six pods', { replicas: 6, workersPerPod: 1 }],
  ['two workers in each of two pods', { replicas: 2, workersPerPod: 2 }],
];

const folder = mkdtempSync(join(tmpdir(), 'webui-tune-helm-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(FORMS)('%s', (_, request) => {
  const pods = planPods(inputOf({ services: { ...SERVICES, database } }), request);
  const options = { storageClass: 'nfs-rwx', host: 'chat.example.com', version: '0.1.0' };
  const { text, steps } = renderHelm(pods, options);
  const values = () => parse(text) as KubernetesObject;

  describe('the parts that are copied into a pod', () => {
    /** A Deployment, a claim and a PodDisruptionBudget of what the values say, as the chart's documentation describes it. */
    function objectsOf(given: KubernetesObject): KubernetesObject[] {
      const env = Object.entries<KubernetesObject>(given.extraEnvVars).map(([name, value]) =>
        typeof value === 'object' ? { name, ...value } : { name, value },
      );
      const { startupProbe, readinessProbe, livenessProbe, resources, topologySpreadConstraints } = given;
      const { command, volumes, volumeMounts, extraInitContainers: initContainers } = given;
      const labels = { 'app.kubernetes.io/component': 'open-webui', 'app.kubernetes.io/instance': 'owui' };
      return [
        {
          apiVersion: 'apps/v1',
          kind: given.workload.kind,
          metadata: { name: 'open-webui' },
          spec: {
            replicas: given.replicaCount,
            selector: { matchLabels: labels },
            strategy: given.strategy,
            template: {
              metadata: { labels },
              spec: {
                topologySpreadConstraints,
                ...(volumes && { volumes, initContainers }),
                containers: [
                  {
                    name: 'open-webui',
                    image: `${given.image.repository}:${given.image.tag}`,
                    ports: [{ name: 'http', containerPort: 8080 }],
                    env: [...env, { name: 'REDIS_URL', value: 'redis://redis:6379/0' }],
                    ...{ startupProbe, readinessProbe, livenessProbe, resources },
                    ...(command && { command, volumeMounts: volumeMounts.container }),
                  },
                ],
              },
            },
          },
        },
        {
          apiVersion: 'v1',
          kind: 'PersistentVolumeClaim',
          metadata: { name: 'open-webui' },
          spec: {
            accessModes: given.persistence.accessModes,
            storageClassName: given.persistence.storageClass,
            resources: { requests: { storage: given.persistence.size } },
          },
        },
        ...given.extraResources.map((resource: string) =>
          parse(resource.replaceAll(/\{\{[^}]*\}\}/g, 'open-webui')),
        ),
      ];
    }

    it('are what Kubernetes takes, and work', async () => {
      expect(await schemaFaults(folder, objectsOf(values()))).toBeUndefined();
      expect(faultsIn(objectsOf(values()), CONNECTIONS)).toEqual([]);
    });

    it.each<[string, (given: KubernetesObject) => void]>([
      [
        'a number in the environment',
        (given) => Object.assign(given.extraEnvVars, { THREAD_POOL_SIZE: 2000 }),
      ],
      ['a probe without its port', (given) => delete given.startupProbe.httpGet.port],
      ['a misspelt key of a probe', (given) => Object.assign(given.readinessProbe, { failureTreshold: 3 })],
    ])('%s is refused', async (_, seed) => {
      const given = values();
      seed(given);
      expect(await schemaFaults(folder, objectsOf(given))).toBeDefined();
    });
  });

  describe.skipIf(!CHART)('the rendered chart', () => {
    const chart = CHART ? chartWithoutDependencies(CHART, folder) : '';

    /** What all the checks say against values, Helm's own words first; empty: nothing. */
    async function faultsOf(given: unknown): Promise<string[]> {
      let rendered: string;
      try {
        rendered = await render(given);
      } catch (error) {
        return [`helm: ${(error as Error).message}`];
      }
      const objects = objectsOf(rendered);
      const schema = await schemaFaults(folder, objects);
      if (schema !== undefined) return [`schema: ${schema}`];
      return faultsIn(objects, CONNECTIONS);
    }

    function render(given: unknown, args: readonly string[] = []): Promise<string> {
      const path = join(folder, 'values.yaml');
      writeFileSync(path, typeof given === 'string' ? given : stringify(given));
      return helmTemplate(chart, path, args);
    }

    const objectsOf = (rendered: string): KubernetesObject[] =>
      parseAllDocuments(rendered)
        .map((document) => document.toJS())
        .filter((object) => object !== null);

    it('is what Kubernetes takes, and works', async () => {
      expect(await faultsOf(text)).toEqual([]);
      expect(objectsOf(await render(text)).map(({ kind }) => kind)).toEqual(
        expect.arrayContaining([
          'Deployment',
          'Ingress',
          'PersistentVolumeClaim',
          'PodDisruptionBudget',
          'Service',
        ]),
      );
    });

    it('holds no secret', async () => expect(await render(text)).not.toMatch(/0p3n-w3bu/));

    it('is changed in three lines by the first step', async () => {
      const set = optionsOf(steps[0]);
      const [before, after] = [await render(text), await render(text, set)].map((all) => all.split('\n'));
      const changed = before?.flatMap((line, index) =>
        line === after?.[index] ? [] : [after?.[index]?.trim()],
      );
      expect(changed?.sort()).toEqual(['failureThreshold: 1800', 'replicas: 1', 'value: "True"']);
    });

    it.runIf(pods.cluster)('is changed in its strategy alone by the second step', async () => {
      const [before, after] = [await render(text), await render(text, optionsOf(steps[1]))].map(objectsOf);
      const [workload] = (after ?? []).filter(({ spec }) => spec?.strategy);
      expect(workload.spec.strategy).toEqual({
        type: 'RollingUpdate',
        rollingUpdate: { maxSurge: 1, maxUnavailable: 0 },
      });
      workload.spec.strategy = { type: 'Recreate' };
      expect(after).toEqual(before);
    });

    it('uses every value: without it, the chart renders something else, or it is the chart’s own default', async () => {
      const whole = await render(text);
      const defaults = parse(readFileSync(join(chart, 'values.yaml'), 'utf8'));
      for (const path of leavesOf(values())) {
        const given = values();
        remove(given, path);
        const isDefault = JSON.stringify(at(defaults, path)) === JSON.stringify(at(values(), path));
        if (!isDefault) expect(await render(given).catch(String), path.join('.')).not.toBe(whole);
      }
    });

    it.each<[string, RegExp, (given: KubernetesObject) => void]>([
      [
        'a kind that is none',
        /^helm: .*workload.kind must be/s,
        (given) => Object.assign(given.workload, { kind: 'Daemon' }),
      ],
      [
        'a template that does not end',
        /^helm: .*unclosed action/s,
        (given) => Object.assign(given.ingress, { host: '{{ .Values.a' }),
      ],
      [
        'a number of pods in words',
        /^schema: .*replicas/s,
        (given) => Object.assign(given, { replicaCount: 'six' }),
      ],
      ['a probe without its port', /^schema: .*port/s, (given) => delete given.startupProbe.httpGet.port],
      [
        'a number in the environment',
        /^schema: .*2000/s,
        (given) => Object.assign(given, { extraEnvVars: [{ name: 'THREAD_POOL_SIZE', value: 2000 }] }),
      ],
      [
        'a StatefulSet that recreates',
        /roll one by one/,
        (given) => Object.assign(given.workload, { kind: 'StatefulSet' }),
      ],
      [
        'a quantity that is none',
        /quantity of memory/,
        (given) => Object.assign(given.resources.requests, { memory: '1024 MB' }),
      ],
      [
        'a rolling update',
        /two versions/,
        (given) => Object.assign(given.strategy, { type: 'RollingUpdate' }),
      ],
      [
        'a variable that is there twice',
        /there twice: DATABASE_URL/,
        (given) => Object.assign(given, { databaseUrl: 'postgresql://db/x' }),
      ],
      [
        'pools of too many connections',
        /^\d+ connections, of 92$/,
        (given) => Object.assign(given.extraEnvVars, { DATABASE_POOL_SIZE: '40' }),
      ],
      [
        'a volume for one node',
        /one node only/,
        (given) => Object.assign(given.persistence, { accessModes: ['ReadWriteOnce'] }),
      ],
      [
        'migrations in every pod',
        /all pods would migrate/,
        (given) => Object.assign(given.extraEnvVars, { ENABLE_DB_MIGRATIONS: 'True' }),
      ],
      [
        'a list of extra resources without the budget',
        /no PodDisruptionBudget/,
        (given) => Object.assign(given, { extraResources: [] }),
      ],
    ])('%s is found', async (_, fault, seed) => {
      const given = values();
      seed(given);
      expect(await faultsOf(given)).toContainEqual(expect.stringMatching(fault));
    });

    it.each<[string, string[]]>([
      ['replicas', ['replicas']],
      ['autoscaling.enabled', ['autoscaling', 'enabled']],
    ])('the unknown key %s is found: the chart renders the same without it', async (_, path) => {
      const given = values();
      given[path[0] ?? ''] = path.length > 1 ? { [path[1] ?? '']: true } : 9;
      expect(await render(given)).toBe(await render(text));
    });
  });
});

/** What a command gives `helm template` beside the values. */
function optionsOf(step: string): string[] {
  return (step.split('--timeout 70m')[1] ?? '').trim().split(' ');
}

describe('what is kept of the rendered chart', () => {
  it('is of the values that are rendered now, and works', async () => {
    const objects = parseAllDocuments(keptChart()).map((document) => document.toJS() as KubernetesObject);
    const there = objects.filter((object) => object !== null);
    expect(await schemaFaults(folder, there)).toBeUndefined();
    expect(faultsIn(there, CONNECTIONS)).toEqual([]);
  });

  it('gets another grace period by the post-renderer of the documents', () => {
    const page = readFileSync(join(ROOT, 'docs', 'kubernetes.md'), 'utf8');
    const command = /^ {4}(sed .*)$/m.exec(page)?.[1] ?? '';
    const rendered = execFileSync('sh', ['-c', command], { input: keptChart(), encoding: 'utf8' });
    const [workload] = parseAllDocuments(rendered)
      .map((document) => document.toJS() as KubernetesObject)
      .filter((object) => object?.kind === 'Deployment');
    expect(workload.spec.template.spec.terminationGracePeriodSeconds).toBe(75);
    expect(page).toContain(`args: [${command.replace('sed ', '')}]`);
  });

  it.runIf(CHART)('is what the chart renders', async () => {
    expect(await renderChart(CHART ?? '')).toBe(keptChart());
  });
});

/** Paths to every scalar and every list. */
function leavesOf(value: KubernetesObject, path: string[] = []): string[][] {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return [path];
  return Object.entries(value).flatMap(([key, inner]) => leavesOf(inner, [...path, key]));
}

function at(value: KubernetesObject, path: readonly string[]): unknown {
  return path.reduce((inner, key) => inner?.[key], value);
}

function remove(value: KubernetesObject, path: readonly string[]): void {
  delete (at(value, path.slice(0, -1)) as Record<string, unknown>)[path.at(-1) ?? ''];
}
