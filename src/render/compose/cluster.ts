import { formatBytes, MIB } from '../../base/units.ts';
import type { Places } from '../../plan/places.ts';
import type { Plan } from '../../plan/types.ts';
import { appsOf } from '../apps.ts';
import { IMAGE_PORT } from '../image.ts';
import { PM2_VERSION } from '../pm2-version.ts';
import type { YamlComment, YamlValue } from '../yaml.ts';
import { block } from '../yaml.ts';
import { type Container, escapeDollars, openWebui, withSecrets } from './open-webui.ts';

/** Open WebUI's image has no Node. The Node of this image is built for Debian 12, and runs on later ones too. */
const NODE_IMAGE = 'node:22-bookworm-slim';

/** Paths in the container. */
const RUNTIME = '/opt/webui-tune/runtime';
const TOOLS = '/opt/webui-tune/tools';
const RUN = '/run/webui-tune';
const ECOSYSTEM = '/etc/webui-tune/ecosystem.config.json';
const PYTHON = '/usr/local/bin/python3';

/** Bytes of the PM2 daemon (measured: 59 MiB RSS with four instances) and of the files in the run folder. */
const DAEMON = 96 * MIB;

const PLACES: Places = {
  python: PYTHON,
  runtime: RUNTIME,
  dataDir: '/app/backend/data',
  controlSocket: `${RUN}/control.sock`,
  secretsFile: '/app/backend/data/.webui-tune.env',
  staticCache: '/app/backend/data/cache/webui-tune',
};

/** PM2 and the copy-on-write cluster inside Open WebUI's image, whose Python and source tree stay unchanged. */
export function clusterContainers(plan: Plan, container: Container): Record<string, YamlValue> {
  const { environment, secrets } = container;
  const start = `exec ${TOOLS}/node ${TOOLS}/node_modules/pm2/bin/pm2-runtime start ${ECOSYSTEM}`;
  return {
    tools: {
      image: NODE_IMAGE,
      command: [
        'sh',
        '-ec',
        `test ! -e ${TOOLS}/pm2-${PM2_VERSION} || exit 0\ncp /usr/local/bin/node ${TOOLS}/node\n` +
          `npm install --prefix ${TOOLS} --no-audit --no-fund pm2@${PM2_VERSION}\ntouch ${TOOLS}/pm2-${PM2_VERSION}\n`,
      ],
      volumes: [`tools:${TOOLS}`],
      mem_limit: '512m',
      restart: 'on-failure:3',
    },
    'open-webui': openWebui(plan, {
      secrets,
      command: withSecrets(secrets, start),
      // PYTHONPATH: a script outside the image's source tree does not find it otherwise.
      environment: { ...environment, PYTHONPATH: '/app/backend', PM2_HOME: `${RUN}/pm2`, PATH: imagePath() },
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

/** The ecosystem file in the container; settings are in the container's environment, where PM2 finds them. */
export function clusterConfigs(plan: Plan): Record<string, YamlValue> {
  const inside: Plan = { ...plan, places: PLACES, host: '0.0.0.0', port: IMAGE_PORT, settings: [] };
  const text = `${JSON.stringify({ apps: appsOf(inside) }, undefined, 2)}\n`;
  return { ecosystem: { content: block(escapeDollars(text)) } };
}

/** Bytes: all workers at their limit, and one that is starting. */
export function clusterMemory({ workers, memory }: Plan): number {
  const worker = memory.workerLimit + memory.supervisor;
  return memory.base + workers * worker + memory.worker + memory.growth + DAEMON;
}

export function clusterComments(plan: Plan): YamlComment[] {
  const { memory, workers } = plan;
  return [
    [
      ['services', 'tools'],
      'Runs once: installs Node and PM2, which Open WebUI’s image lacks, into a volume. Needs npm’s registry.',
    ],
    [
      ['services', 'open-webui', 'mem_limit'],
      `${formatBytes(memory.base)} for the ${memory.level} preload, shared + ${workers} workers at their limit of ` +
        `${formatBytes(memory.workerLimit)} + one that is starting + PM2. After the first requests, ` +
        `${formatBytes(memory.predicted)} are in use.`,
    ],
    [['services', 'open-webui', 'stop_grace_period'], 'Time for the workers to finish their answers.'],
    [['configs', 'ecosystem'], 'What PM2 runs in the container.'],
  ];
}

/** The image's own PATH, after Node. */
function imagePath(): string {
  return `${TOOLS}:${TOOLS}/node_modules/.bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin`;
}
