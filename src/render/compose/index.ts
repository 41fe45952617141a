import { formatBytes, MIB, plural } from '../../base/units.ts';
import { containerSettings } from '../../plan/containers.ts';
import type { Plan } from '../../plan/types.ts';
import { clusterMemory } from '../cluster-in-image.ts';
import { COMPOSE_HEADER } from '../first-lines.ts';
import { renderYaml, sentence, type YamlComment, type YamlValue } from '../yaml.ts';
import { clusterComments, clusterConfigs, clusterContainers } from './cluster.ts';
import { type ContainerSecret, containerEnvironment, containerSecrets } from './open-webui.ts';
import {
  maxConnections,
  ownDatabase,
  SECRETS,
  type ServiceMemory,
  serviceContainers,
  serviceMemory,
} from './services.ts';
import { stockComments, stockContainers, stockMemory } from './stock.ts';

export interface Compose {
  text: string;
  /** Names of the files that must be in secrets/. */
  secretFiles: string[];
  /** One line: workers and memory. */
  summary: string;
  warnings: string[];
}

/**
 * compose.yaml with PostgreSQL, Valkey and Open WebUI's official image, which runs the copy-on-write cluster with `--runtime
 * preload`, and its own workers with `--runtime uvicorn`. Pure.
 */
export function renderCompose(plan: Plan): Compose {
  const stock = plan.runtime === 'uvicorn';
  const memory = serviceMemory(plan.machine);
  const { settings, local } = containerSettings(plan, {
    workers: plan.workers,
    workersInEach: plan.workers,
    database: ownDatabase(plan.workers),
    workerLimit: plan.memory.workerLimit,
  });
  const secrets = containerSecrets(settings);
  const container = { environment: containerEnvironment(settings), secrets };
  const values: YamlValue = {
    name: 'open-webui',
    services: {
      ...serviceContainers(plan.workers, memory),
      ...(stock ? stockContainers(plan, container) : clusterContainers(plan, container)),
    },
    secrets: Object.fromEntries(secrets.map(({ file }) => [file, { file: `./secrets/${file}` }])),
    ...(!stock && { configs: clusterConfigs(plan) }),
    volumes: { data: {}, postgres: {}, ...(!stock && { tools: {} }) },
  };
  const comments = [...commentsOn(plan, memory), ...(stock ? stockComments(plan) : clusterComments(plan))];
  const reasons = settings.flatMap(({ key, value, reason }): YamlComment[] =>
    value === undefined || reason === 'yours'
      ? []
      : [[['services', 'open-webui', 'environment', key], sentence(reason)]],
  );
  return {
    text: renderYaml(values, [...comments, ...reasons], header(stock, secrets)),
    secretFiles: secrets.map(({ file }) => file),
    summary:
      `${plural(plan.workers, 'worker')} in one container of at most ${formatBytes(stock ? stockMemory(plan) : clusterMemory(plan))}, ` +
      `PostgreSQL in ${formatBytes(memory.postgres)}, Valkey in ${formatBytes(memory.redis)}`,
    warnings:
      local.length > 0
        ? [`left out, because a container cannot reach these addresses: ${local.join(', ')}`]
        : [],
  };
}

function commentsOn(plan: Plan, memory: ServiceMemory): YamlComment[] {
  const each = `${plan.workers} + 1 workers`;
  return [
    [
      ['services', 'postgres', 'command'],
      `max_connections ${maxConnections(plan.workers)}: the pools of ${each}, the reserve and a few spare ones. shared_buffers ` +
        'is a quarter of its memory.',
    ],
    [
      ['services', 'postgres', 'mem_limit'],
      `An eighth of the machine, within bounds (a choice): ${formatBytes(memory.postgres)}.`,
    ],
    [
      ['services', 'valkey', 'command'],
      'Sessions of sockets, tasks and limits need not survive a restart. Idle connections are closed after half an hour.',
    ],
    [
      ['services', 'valkey', 'mem_limit'],
      `1.5 × its maxmemory of ${memory.redisData / MIB} MiB: the rest is for buffers.`,
    ],
    [
      ['services', 'open-webui', 'command'],
      'The shell reads the secrets from files into its environment; they are nowhere else. $$ is Compose’s way to write $.',
    ],
    [
      ['services', 'open-webui', 'ports'],
      'This machine only, unless --host says otherwise: put a reverse proxy with TLS in front.',
    ],
    [
      ['services', 'open-webui', 'healthcheck'],
      'Healthy: the start-up is complete, and the database and Redis answer.',
    ],
  ];
}

function header(stock: boolean, secrets: readonly ContainerSecret[]): string {
  const others = secrets
    .map(({ file }) => file)
    .filter((file) => file !== SECRETS.key && file !== SECRETS.postgres);
  const form = stock
    ? `The image’s own server with its own workers (--runtime uvicorn): no reload without an outage, no shared memory.`
    : `The copy-on-write cluster in the image, under PM2:
  docker compose exec open-webui pm2 list                 see the workers
  docker compose exec open-webui pm2 reload open-webui    replace them one by one, without losing a request`;
  return `${COMPOSE_HEADER.slice(2)}

Checked with Compose’s own \`config\`, and started with podman (docs/compose.md).

  mkdir -m 700 secrets
  openssl rand -hex 32 > secrets/${SECRETS.postgres}
  openssl rand -hex 32 > secrets/${SECRETS.key}
${others.map((file) => `  and your own: secrets/${file}\n`).join('')}  chmod 644 secrets/*    (the folder is yours alone; PostgreSQL reads its file as another user)
  docker compose up -d --wait

${form}

Upgrade: change the image’s tag, then docker compose up -d. Two versions never serve one database: the old container ends
before the new one starts. To size it again, run webui-tune again: it overwrites this file.`;
}
