/** Open WebUI as this package runs it: planned as `webui-tune` plans, and started by PM2. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Scope } from '../../base/io/scope.ts';
import { processTree } from '../../base/machine/process-table.ts';
import type { Plan } from '../../plan/types.ts';
import { renderAs } from '../../render/formats.ts';
import { APPS, type PreloadChoice, WORKER_PROCESS } from '../../runtime/contract.ts';
import { keepRuntime } from '../../runtime/folder.ts';
import { prepare, tune } from '../../tune/tune.ts';
import type { LifeInput } from './life-input.ts';
import { type ScratchPm2, startPm2 } from './pm2.ts';
import type { Server } from './server.ts';
import type { Stage } from './stage.ts';

/** What several workers cannot do without, and what the file always says. */
const NEEDED = ['WEBSOCKET_MANAGER', 'ENABLE_WEBSOCKET_SUPPORT', 'VECTOR_DB', 'DATA_DIR', 'PYTHONUNBUFFERED'];

export interface OurServer extends Server {
  pm2: ScratchPm2;
}

export async function startOurs(
  scope: Scope,
  stage: Stage,
  { folder, port, databaseUrl, workers }: LifeInput,
  { preload, tuned = true }: { preload?: PreloadChoice; tuned?: boolean },
): Promise<OurServer> {
  const envFile = join(folder, 'open-webui.env');
  const settings = { ...stage.settings, DATABASE_URL: databaseUrl, DATA_DIR: join(folder, 'data') };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(envFile, lines.join(''), { mode: 0o600 });
  // Short paths: those of UNIX sockets have 107 bytes.
  const env = { ...stage.env, HOME: folder, XDG_DATA_HOME: folder };
  const planned = await tune({
    python: stage.python,
    envFile,
    host: '127.0.0.1',
    port,
    workers,
    ...(preload !== undefined && { preload }),
    cwd: folder,
    env,
  });
  if (planned.plan.workers !== workers)
    throw new Error(
      `${planned.plan.workers} workers are planned instead of ${workers}: ${planned.plan.warnings.join('; ')}`,
    );
  await prepare(planned);
  if (planned.runtime) keepRuntime(planned.runtime);
  const file = join(folder, 'ecosystem.config.cjs');
  writeFileSync(file, renderAs('cjs', tuned ? planned.plan : untuned(planned.plan)));
  const pm2 = startPm2(scope, stage, folder, env);
  const begun = performance.now();
  const starting = pm2.startFile(file);
  // It returns only when PM2 calls all of them online. Whoever waits for them to serve learns of a failure.
  starting.catch(() => {});
  return {
    begun,
    url: `http://127.0.0.1:${port}`,
    port,
    pm2,
    // By name: at a first start the preload process has another child, which compresses files.
    workers: () => processTree(pm2.daemonPid()).filter(({ name }) => name === WORKER_PROCESS),
    processes: pm2.processes,
    reload: { how: 'pm2 reload', run: () => pm2.run('reload', APPS.cluster) },
    restart: { how: 'pm2 restart', run: () => pm2.run('restart', APPS.cluster) },
    isSupervised: true,
    logTail: pm2.logTail,
  };
}

/** The plan, with Open WebUI's own defaults wherever they work. */
export function untuned(plan: Plan): Plan {
  return {
    ...plan,
    settings: plan.settings.filter(({ source, key }) => source !== 'computed' || NEEDED.includes(key)),
  };
}
