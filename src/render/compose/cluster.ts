import { formatBytes } from '../../base/units.ts';
import type { Plan } from '../../plan/types.ts';
import {
  CLUSTER_ENVIRONMENT,
  clusterMemory,
  ecosystemInImage,
  MAKE_TOOLS,
  NODE_IMAGE,
  RUN,
  RUNTIME,
  startCommand,
  TOOLS,
} from '../cluster-in-image.ts';
import { PM2_VERSION } from '../pm2-version.ts';
import type { YamlComment, YamlValue } from '../yaml.ts';
import { block } from '../yaml.ts';
import { type Container, escapeDollars, openWebui, withSecrets } from './open-webui.ts';

const ECOSYSTEM = '/etc/webui-tune/ecosystem.config.json';

/** PM2 and the copy-on-write cluster inside Open WebUI's image. */
export function clusterContainers(plan: Plan, container: Container): Record<string, YamlValue> {
  const { environment, secrets } = container;
  return {
    tools: {
      image: NODE_IMAGE,
      command: [
        'sh',
        '-ec',
        `test ! -e ${TOOLS}/pm2-${PM2_VERSION} || exit 0\n${MAKE_TOOLS}touch ${TOOLS}/pm2-${PM2_VERSION}\n`,
      ],
      volumes: [`tools:${TOOLS}`],
      mem_limit: '512m',
      restart: 'on-failure:3',
    },
    'open-webui': openWebui(plan, {
      secrets,
      command: withSecrets(secrets, `exec ${startCommand(ECOSYSTEM)}`),
      environment: { ...environment, ...CLUSTER_ENVIRONMENT },
      memory: clusterMemory(plan),
      imports: 1,
      after: { tools: { condition: 'service_completed_successfully' } },
      volumes: [`tools:${TOOLS}:ro`, `${escapeDollars(plan.places.runtime)}:${RUNTIME}:ro`],
      more: {
        tmpfs: [`${RUN}:mode=0700`],
        configs: [{ source: 'ecosystem', target: ECOSYSTEM }],
      },
    }),
  };
}

/** The ecosystem file, as a file of the container. */
export function clusterConfigs(plan: Plan): Record<string, YamlValue> {
  return { ecosystem: { content: block(escapeDollars(ecosystemInImage(plan))) } };
}

export function clusterComments(plan: Plan): YamlComment[] {
  const { memory, workers, documents } = plan;
  return [
    [
      ['services', 'tools'],
      'Runs once: installs Node and PM2, which Open WebUI’s image lacks, into a volume. Needs npm’s registry.',
    ],
    [
      ['services', 'open-webui', 'mem_limit'],
      `${formatBytes(memory.base)} for the ${memory.level} preload, shared + ${workers} workers at their limit of ` +
        `${formatBytes(memory.workerLimit)} + one that is starting + ${documents.atOnce} documents at their limit of ` +
        `${formatBytes(documents.memoryLimit)} + PM2. After the first requests, ${formatBytes(memory.predicted)} are in use.`,
    ],
    [['services', 'open-webui', 'stop_grace_period'], 'Time for the workers to finish their answers.'],
    [['configs', 'ecosystem'], 'What PM2 runs in the container.'],
  ];
}
