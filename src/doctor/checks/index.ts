import type { Check } from '../check.ts';
import { backupChecks } from './backups.ts';
import { clusterChecks } from './cluster.ts';
import { databaseChecks } from './database.ts';
import { ecosystemChecks } from './ecosystem.ts';
import { fileChecks } from './files.ts';
import { keyChecks } from './keys.ts';
import { machineChecks } from './machine.ts';
import { modelChecks } from './models.ts';
import { originChecks } from './origins.ts';
import { pm2Checks } from './pm2.ts';
import { proxyChecks } from './proxy.ts';
import { pythonChecks } from './python.ts';
import { redisChecks } from './redis.ts';
import { redisServerChecks } from './redis-server.ts';
import { settingsChecks } from './settings.ts';
import { trialChecks } from './trials.ts';
import { unfinishedChecks } from './unfinished.ts';
import { vectorChecks } from './vectors.ts';

/** All checks, in the order of the report: what others depend on comes first. */
export const CHECKS: readonly Check[] = [
  ...pythonChecks,
  ...settingsChecks,
  ...keyChecks,
  ...originChecks,
  ...redisChecks,
  ...redisServerChecks,
  ...databaseChecks,
  ...vectorChecks,
  ...modelChecks,
  ...fileChecks,
  ...unfinishedChecks,
  ...backupChecks,
  ...ecosystemChecks,
  ...pm2Checks,
  ...machineChecks,
  ...clusterChecks,
  ...trialChecks,
  ...proxyChecks,
];
