/** The copy-on-write cluster in a container of Open WebUI's image, whose Python and source tree stay unchanged. */
import { PM2_DAEMON } from '../plan/model.ts';
import type { Places } from '../plan/places.ts';
import type { Plan } from '../plan/types.ts';
import { appsOf } from './apps.ts';
import { IMAGE_PORT } from './image.ts';
import { PM2_VERSION } from './pm2-version.ts';

/** Open WebUI's image has no Node. The Node of this image is built for Debian 12, and runs on later ones too. */
export const NODE_IMAGE = 'node:22-bookworm-slim';

/** Paths in the container. */
export const ADDED = '/opt/webui-tune';
export const RUNTIME = `${ADDED}/runtime`;
export const TOOLS = `${ADDED}/tools`;
export const RUN = '/run/webui-tune';
export const DATA_DIR = '/app/backend/data';

const PLACES: Places = {
  python: '/usr/local/bin/python3',
  runtime: RUNTIME,
  dataDir: DATA_DIR,
  controlSocket: `${RUN}/control.sock`,
  secretsFile: `${DATA_DIR}/.webui-tune.env`,
  staticCache: `${DATA_DIR}/cache/webui-tune`,
};

/** Shell that puts Node and PM2 into TOOLS, in a container of NODE_IMAGE. Needs npm's registry. */
export const MAKE_TOOLS =
  `cp /usr/local/bin/node ${TOOLS}/node\n` +
  `npm install --prefix ${TOOLS} --no-audit --no-fund pm2@${PM2_VERSION}\n`;

/** The command that runs the ecosystem file at a path, and ends when a signal has stopped all of its apps. */
export function startCommand(ecosystem: string): string {
  return `${TOOLS}/node ${TOOLS}/node_modules/pm2/bin/pm2-runtime start ${ecosystem}`;
}

/** What the cluster needs beside Open WebUI's settings. */
export const CLUSTER_ENVIRONMENT = {
  // A script outside the image's source tree does not find it otherwise.
  PYTHONPATH: '/app/backend',
  PM2_HOME: `${RUN}/pm2`,
  // The image's own PATH, after Node.
  PATH: `${TOOLS}:${TOOLS}/node_modules/.bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin`,
} as const;

/** The ecosystem file in the container; settings are in the container's environment, where PM2 finds them. */
export function ecosystemInImage(plan: Plan, places: Partial<Places> = {}): string {
  const inside: Plan = {
    ...plan,
    places: { ...PLACES, ...places },
    host: '0.0.0.0',
    port: IMAGE_PORT,
    settings: [],
  };
  return `${JSON.stringify({ apps: appsOf(inside) }, undefined, 2)}\n`;
}

/** Bytes: all workers and documents at their limit, and one worker that is starting. */
export function clusterMemory({ workers, memory, documents }: Plan): number {
  const worker = memory.workerLimit + memory.supervisor;
  const starting = memory.worker + memory.growth;
  return memory.base + workers * worker + starting + documents.atOnce * documents.memoryLimit + PM2_DAEMON;
}
