import type { Setting } from '../../facts/types.ts';
import type { PlanInput } from '../input.ts';
import type { PlannedSetting } from '../types.ts';
import { databaseGroup } from './database.ts';
import type { Computed, SettingsContext, SettingsGroup } from './group.ts';
import { httpGroup } from './http.ts';
import { loggingGroup } from './logging.ts';
import { modelsGroup } from './models.ts';
import { pluginsGroup } from './plugins.ts';
import { redisGroup } from './redis.ts';
import { sentinelGroup } from './sentinel.ts';
import { streamingGroup } from './streaming.ts';
import { threadsGroup } from './threads.ts';
import { timeoutsGroup } from './timeouts.ts';
import { uvicornGroup } from './uvicorn.ts';
import { vectorGroup } from './vector.ts';
import { websocketGroup } from './websocket.ts';

/** All groups, in the order of the report. */
export const SETTINGS_GROUPS: readonly SettingsGroup[] = [
  websocketGroup,
  redisGroup,
  sentinelGroup,
  databaseGroup,
  vectorGroup,
  threadsGroup,
  httpGroup,
  modelsGroup,
  streamingGroup,
  loggingGroup,
  timeoutsGroup,
  pluginsGroup,
  uvicornGroup,
];

/** A setting of the interpreter, not of Open WebUI; PM2 sets it only if the interpreter's path contains "python". */
const PYTHON = { key: 'PYTHONUNBUFFERED', value: '1' };

/**
 * Every setting that the preload process will see, sorted by name: the user's settings, and ours for those that the user has
 * not set.
 */
export function planSettings(
  { settings, places, dataDir }: Pick<PlanInput, 'settings' | 'places' | 'dataDir'>,
  context: SettingsContext,
): PlannedSetting[] {
  const planned = new Map<string, PlannedSetting>();
  for (const [key, setting] of settings) planned.set(key, fromUser(key, setting));
  for (const computed of SETTINGS_GROUPS.flatMap((group) => group.recommend(context))) {
    // A setting of the user stays, even if it is empty.
    if (!settings.has(computed.key)) planned.set(computed.key, fromUs(computed));
  }
  // Always set, and always absolute: by default it is inside Python's packages.
  const rendered = dataDir.source !== 'env file' || settings.get('DATA_DIR')?.value !== places.dataDir;
  planned.set('DATA_DIR', {
    key: 'DATA_DIR',
    value: places.dataDir,
    secret: false,
    source: dataDir.source,
    reason: dataDir.reason,
    rendered,
  });
  planned.set(PYTHON.key, {
    ...PYTHON,
    secret: false,
    source: 'computed',
    reason: 'log lines appear at once',
    rendered: true,
  });
  return [...planned.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

function fromUser(key: string, { value, source, secret }: Setting): PlannedSetting {
  return {
    key,
    ...(!secret && { value }),
    secret,
    source,
    reason: source === 'preset' ? 'from the preset' : 'yours',
    rendered: !secret && (source === 'environment' || source === 'preset'),
  };
}

function fromUs({ key, value, reason }: Computed): PlannedSetting {
  return { key, value, secret: false, source: 'computed', reason, rendered: true };
}
