/** The ways in which people run Open WebUI on one machine, and ours. */

import type { Scope } from '../../base/io/scope.ts';
import { plural } from '../../base/units.ts';
import type { LifeInput } from './life-input.ts';
import { startOurs } from './ours.ts';
import type { Server } from './server.ts';
import type { Stage } from './stage.ts';
import { startGunicorn, startOpenWebui, startPm2Fork, startUvicorn } from './theirs.ts';

export interface Contender {
  id: string;
  name: string;
  /** The command, or how it is set up, for people. */
  how: string;
  workers: number;
  /** Where only its start and its memory are measured. */
  memoryOnly?: boolean;
  start(scope: Scope, stage: Stage, input: LifeInput): Promise<Server>;
}

/** Workers of the comparison of memory: four are what the figures of the README are about. */
const MEMORY_WORKERS = 4;

const UVICORN = 'uvicorn open_webui.main:app';

/**
 * Seconds in which a worker has to answer its parent, which kills it otherwise. uvicorn's default, 5, is too short
 * where four workers import on fewer cores. Used only where memory alone is measured: a reload waits as long for a new
 * worker, so its figures need uvicorn's default.
 */
const PATIENCE = ['--timeout-worker-healthcheck', '60'];

/** All of them, in the order of the report; those with `workers` workers first. */
export function contendersFor(workers: number): Contender[] {
  const several = plural(workers, 'worker');
  return [
    {
      id: 'serve',
      name: 'open-webui serve',
      how: 'open-webui serve: one worker, as it comes',
      workers: 1,
      start: (scope, stage, input) => startOpenWebui(scope, stage, input),
    },
    {
      id: 'uvicorn-workers',
      name: `UVICORN_WORKERS=${workers}`,
      how: `UVICORN_WORKERS=${workers} open-webui serve`,
      workers,
      start: (scope, stage, input) => startOpenWebui(scope, stage, input),
    },
    {
      id: 'web-concurrency',
      name: `WEB_CONCURRENCY=${workers}`,
      how: `WEB_CONCURRENCY=${workers} ${UVICORN}, the same as uvicorn --workers ${workers}`,
      workers,
      start: startUvicorn,
    },
    {
      id: 'gunicorn',
      name: 'gunicorn',
      how: `gunicorn -w ${workers} -k uvicorn_worker.UvicornWorker --timeout 120 open_webui.main:app`,
      workers,
      start: (scope, stage, input) => startGunicorn(scope, stage, input, { preload: false }),
    },
    {
      id: 'gunicorn-preload',
      name: 'gunicorn --preload',
      how: `gunicorn --preload -w ${workers} -k uvicorn_worker.UvicornWorker --timeout 120 open_webui.main:app`,
      workers,
      start: (scope, stage, input) => startGunicorn(scope, stage, input, { preload: true }),
    },
    {
      id: 'pm2-fork',
      name: 'PM2, fork mode',
      how: `pm2 start open-webui -- serve, with UVICORN_WORKERS=${workers}: in fork mode several instances cannot share a port, so PM2 runs one app that has ${several}`,
      workers,
      start: startPm2Fork,
    },
    {
      id: 'ours-untuned',
      name: 'webui-tune, untuned',
      how: `webui-tune --workers ${workers}, with Open WebUI’s own defaults for all settings that several workers can do without`,
      workers,
      start: (scope, stage, input) => startOurs(scope, stage, input, { tuned: false }),
    },
    {
      id: 'ours',
      name: 'webui-tune',
      how: `webui-tune --workers ${workers}, lean preload (documents are embedded elsewhere)`,
      workers,
      start: (scope, stage, input) => startOurs(scope, stage, input, {}),
    },
    {
      id: `web-concurrency-${MEMORY_WORKERS}`,
      name: `WEB_CONCURRENCY=${MEMORY_WORKERS}`,
      how: `WEB_CONCURRENCY=${MEMORY_WORKERS} ${UVICORN} ${PATIENCE.join(' ')}`,
      workers: MEMORY_WORKERS,
      memoryOnly: true,
      start: (scope, stage, input) => startUvicorn(scope, stage, input, PATIENCE),
    },
    {
      id: `ours-full-${MEMORY_WORKERS}`,
      name: 'webui-tune, full preload',
      how: `webui-tune --workers ${MEMORY_WORKERS} --preload app`,
      workers: MEMORY_WORKERS,
      memoryOnly: true,
      start: (scope, stage, input) => startOurs(scope, stage, input, { preload: 'app' }),
    },
    {
      id: `ours-${MEMORY_WORKERS}`,
      name: 'webui-tune, lean preload',
      how: `webui-tune --workers ${MEMORY_WORKERS}`,
      workers: MEMORY_WORKERS,
      memoryOnly: true,
      start: (scope, stage, input) => startOurs(scope, stage, input, {}),
    },
  ];
}
