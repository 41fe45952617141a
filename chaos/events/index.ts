/** All events, in the order in which they run and appear. */
import type { ChaosEvent } from '../event.ts';
import { HighlyAvailable, OwnRedis } from '../services.ts';
import { brokenConfiguration } from './broken-configuration.ts';
import { clock } from './clock.ts';
import { diskFull } from './disk-full.ts';
import { hang } from './hang.ts';
import { hangingStart } from './hanging-start.ts';
import { killDaemon, killDaemonDuringImport } from './kill-pm2.ts';
import { killPreload } from './kill-preload.ts';
import { killSupervisor } from './kill-supervisor.ts';
import { killAnyWorker } from './kill-worker.ts';
import { leak } from './leak.ts';
import { machineDown } from './machine-down.ts';
import { memoryLimit } from './memory-limit.ts';
import { memoryPressure } from './memory-pressure.ts';
import { openFiles } from './open-files.ts';
import { reload } from './reload.ts';
import { sentinelFailover } from './sentinel.ts';
import { postgresBlackHole, postgresDown, redisBlackHole, redisDown } from './services-down.ts';
import { soak } from './soak.ts';
import { stoppedPreload } from './stopped-preload.ts';
import { twoAdmins } from './two-admins.ts';
import { twoStarts } from './two-starts.ts';

const available = new HighlyAvailable();
const redis = new OwnRedis();

export const EVENTS: readonly ChaosEvent[] = [
  reload,
  killAnyWorker,
  killSupervisor,
  killPreload,
  stoppedPreload,
  killDaemon,
  killDaemonDuringImport,
  machineDown,
  brokenConfiguration,
  leak,
  memoryLimit,
  hang,
  hangingStart,
  openFiles,
  clock,
  soak,
  sentinelFailover(available),
  postgresDown(available),
  postgresBlackHole(available),
  redisDown(redis),
  redisBlackHole(redis),
  twoStarts(),
  twoAdmins(),
  diskFull,
  memoryPressure(),
];
