import { formatBytes } from '../../base/units.ts';
import { MEASURED } from '../../plan/measured-capacity.ts';
import { LEVELS } from '../../plan/model.ts';
import type { Plan } from '../../plan/types.ts';
import { OPEN_WEBUI_IMAGE } from '../image.ts';
import type { YamlComment, YamlValue } from '../yaml.ts';
import { type Container, megabytes, openWebui, withSecrets } from './open-webui.ts';

/** The image's own start script with its own workers: each of them imports all of Open WebUI. */
export function stockContainers(plan: Plan, container: Container): Record<string, YamlValue> {
  const { environment, secrets } = container;
  return {
    migrate: {
      image: `${OPEN_WEBUI_IMAGE.repository}:${OPEN_WEBUI_IMAGE.tag}`,
      command: withSecrets(secrets, 'exec python3 -c "import open_webui.config"'),
      environment,
      secrets: secrets.map(({ file }) => file),
      volumes: ['data:/app/backend/data'],
      mem_limit: megabytes(MEASURED.processBytes),
      depends_on: { postgres: { condition: 'service_healthy' } },
      restart: 'on-failure:3',
    },
    'open-webui': openWebui(plan, {
      ...container,
      command: withSecrets(secrets, 'exec bash start.sh'),
      environment: { ...environment, UVICORN_WORKERS: String(plan.workers), ENABLE_DB_MIGRATIONS: 'False' },
      memory: stockMemory(plan),
      // Each worker imports it, with a core of its own as far as there are so many.
      imports: Math.ceil(plan.workers / plan.machine.cpu.physicalCores),
      after: { migrate: { condition: 'service_completed_successfully' } },
    }),
  };
}

/** Bytes: what all processes map, and each worker in full, with room to grow because nothing replaces a worker that grows. */
export function stockMemory({ workers, memory }: Plan): number {
  return LEVELS.none.base + workers * (memory.worker + memory.growth);
}

export function stockComments(plan: Plan): YamlComment[] {
  const { memory, workers } = plan;
  return [
    [
      ['services', 'migrate'],
      'Migrates the database and ends before the workers start: workers that migrate an empty database together collide, and fail.',
    ],
    [
      ['services', 'open-webui', 'mem_limit'],
      `${formatBytes(LEVELS.none.base)} + ${workers} workers × (${formatBytes(memory.worker)} measured, nothing shared + ` +
        `${formatBytes(memory.growth)} to grow). Without --runtime uvicorn they share most of it.`,
    ],
    [['services', 'open-webui', 'stop_grace_period'], 'uvicorn waits for open answers until then.'],
  ];
}
