/** All events, in the order in which they are run and shown. */
import type { ChaosEvent } from '../event.ts';
import { HighlyAvailable, OwnRedis } from '../services.ts';
import { brokenConfiguration } from './broken-configuration.ts';
import { diskFull } from './disk-full.ts';
import { hang } from './hang.ts';
import { killDaemon } from './kill-pm2.ts';
import { killPreload } from './kill-preload.ts';
import { killSupervisor } from './kill-supervisor.ts';
import { killAnyWorker } from './kill-worker.ts';
import { leak } from './leak.ts';
import { memoryPressure } from './memory-pressure.ts';
import { openFiles } from './open-files.ts';
import { reload } from './reload.ts';
import { sentinelFailover } from './sentinel.ts';
import { postgresDown, redisDown } from './services-down.ts';
import { soak } from './soak.ts';
import { twoStarts } from './two-starts.ts';

const available = new HighlyAvailable();

export const EVENTS: readonly ChaosEvent[] = [
  reload,
  killAnyWorker,
  killSupervisor,
  killPreload,
  killDaemon,
  brokenConfiguration,
  leak,
  hang,
  openFiles,
  soak,
  sentinelFailover(available),
  postgresDown(available),
  redisDown(new OwnRedis()),
  twoStarts(),
  diskFull,
  memoryPressure(),
];
