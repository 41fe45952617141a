/** What neither Helm nor a schema knows: whether rendered objects would work. */

// biome-ignore lint/suspicious/noExplicitAny: objects of Kubernetes, whose shape the schemas have checked
export type KubernetesObject = any;

/** A quantity of memory in bytes; undefined: it is none. */
function memory(quantity: unknown): number | undefined {
  const match = /^(\d+)(Ki|Mi|Gi)$/.exec(String(quantity));
  return match ? Number(match[1]) * { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 }[match[2] as 'Ki'] : undefined;
}

/** The workers that a container starts. */
function workersOf({ command }: KubernetesObject): number {
  return Number(/"instances": (\d+)/.exec(command?.join('\n') ?? '')?.[1] ?? 1);
}

/** One line for each thing that is wrong. `connections` is what PostgreSQL has for all pods. */
export function faultsIn(objects: readonly KubernetesObject[], connections: number): string[] {
  const component = 'app.kubernetes.io/component';
  const workload = objects.find(({ spec }) => spec?.template?.metadata.labels?.[component] === 'open-webui');
  const app = workload?.spec.template.spec.containers[0];
  if (!app) return ['there is no workload'];
  const faults: string[] = [];
  const check = (holds: boolean, fault: string) => {
    if (!holds) faults.push(fault);
  };
  const claim = objects.find(({ kind }) => kind === 'PersistentVolumeClaim');
  const budget = objects.find(({ kind }) => kind === 'PodDisruptionBudget');

  check(workload.kind === 'Deployment', 'pods of a StatefulSet roll one by one');
  check(workload.spec.strategy?.type === 'Recreate', 'two versions would serve one database');
  check(!workload.spec.updateStrategy || workload.kind !== 'Deployment', 'a strategy of another kind');
  check(claim?.spec.accessModes.includes('ReadWriteMany') ?? false, 'one node only can mount the volume');
  check(Boolean(claim?.spec.storageClassName), 'no storage class');
  check(budget?.spec.maxUnavailable >= 1, 'no PodDisruptionBudget');

  const request = memory(app.resources?.requests?.memory);
  const limit = memory(app.resources?.limits?.memory);
  check(request !== undefined && limit !== undefined && request <= limit, 'a quantity of memory is wrong');
  check(!app.resources?.limits?.cpu, 'a limit of the CPU stretches the boot');
  const { periodSeconds = 10, failureThreshold = 3 } = app.startupProbe ?? { failureThreshold: 0 };
  check(periodSeconds * failureThreshold >= 6 * 16, 'the startup probe kills a slow start');
  check(Boolean(app.readinessProbe && app.livenessProbe), 'a probe is missing');

  const names: string[] = app.env.map(({ name }: { name: string }) => name);
  const twice = names.filter((name, index) => names.indexOf(name) !== index);
  check(twice.length === 0, `there twice: ${twice.join(', ')}`);
  const value = (name: string) => app.env.find((variable: KubernetesObject) => variable.name === name);
  check(value('ENABLE_DB_MIGRATIONS')?.value === 'False', 'all pods would migrate');
  for (const name of ['WEBUI_SECRET_KEY', 'DATABASE_URL']) {
    check(Boolean(value(name)?.valueFrom?.secretKeyRef), `${name} is no reference to a Secret`);
  }
  const number = (name: string) => Number(value(name)?.value ?? 0);
  const engine = number('DATABASE_POOL_SIZE') + number('DATABASE_POOL_MAX_OVERFLOW');
  const each = 2 * engine + number('PGVECTOR_POOL_SIZE') + number('PGVECTOR_POOL_MAX_OVERFLOW');
  const all = workload.spec.replicas * workersOf(app) * each;
  check(each > 0 && all <= connections, `${all} connections, of ${connections}`);
  check(value('REDIS_URL') !== undefined, 'no Redis');
  return faults;
}
