/** All events, in the order in which they are run and shown. */
import type { ChaosEvent } from '../event.ts';
import { brokenConfiguration } from './broken-configuration.ts';
import { hang } from './hang.ts';
import { killDaemon } from './kill-pm2.ts';
import { killPreload } from './kill-preload.ts';
import { killSupervisor } from './kill-supervisor.ts';
import { killAnyWorker } from './kill-worker.ts';
import { leak } from './leak.ts';
import { reload } from './reload.ts';
import { sentinelFailover } from './sentinel.ts';
import { postgresDown, redisDown } from './services-down.ts';

export const EVENTS: readonly ChaosEvent[] = [
  reload,
  killAnyWorker,
  killSupervisor,
  killPreload,
  killDaemon,
  brokenConfiguration,
  leak,
  hang,
  sentinelFailover(),
  redisDown(),
  postgresDown(),
];
