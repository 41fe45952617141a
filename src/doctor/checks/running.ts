import { APPS, ENV } from '../../runtime/contract.ts';
import type { Pm2Process } from '../../setup/pm2/client.ts';
import type { EcosystemFile } from '../read/ecosystem.ts';
import type { Pm2Facts } from '../read/pm2.ts';

/* How the apps that PM2 runs differ from the file. */

export function instancesOf({ processes = [] }: Pm2Facts, name: string): readonly Pm2Process[] {
  return processes.filter((app) => app.name === name);
}

/**
 * What a file that is written anew may say otherwise until the next start: the figures that a tree's real ones are kept
 * with change nothing of what runs.
 */
const UNTIL_THE_NEXT_START: ReadonlySet<string> = new Set([ENV.planned]);

/** Names of the file's variables that a running app lacks, or has with another value. */
export function environmentDiffers(pm2: Pm2Facts, { apps }: EcosystemFile): string[] {
  const differing = apps.flatMap(({ name, env = {} }) =>
    instancesOf(pm2, name ?? '').flatMap(({ pm2_env }) =>
      Object.entries(env)
        .filter(
          ([key, value]) => !UNTIL_THE_NEXT_START.has(key) && variableOf(pm2_env, key) !== String(value),
        )
        .map(([key]) => key),
    ),
  );
  return [...new Set(differing)];
}

/** Settings that the preload process gets from PM2, and neither from the file nor from the user’s env file. */
export function leftOver(
  pm2: Pm2Facts,
  { env }: EcosystemFile,
  settings: readonly string[],
  envFile: Readonly<Record<string, string>>,
): string[] {
  const known = new Set(settings);
  const [app] = [...instancesOf(pm2, APPS.preload), ...instancesOf(pm2, APPS.cluster)];
  if (!app) return [];
  const handed = environmentOf(app.pm2_env);
  return Object.keys(handed)
    .filter((name) => /^[A-Z][A-Z0-9_]+$/.test(name) && (known.has(name) || name.startsWith('WEBUI_TUNE_')))
    .filter((name) => !(name in env) && envFile[name] !== String(handed[name]) && !OF_THE_SYSTEM.has(name))
    .sort();
}

/** Variables that Open WebUI reads, but that belong to every program. */
const OF_THE_SYSTEM: ReadonlySet<string> = new Set([
  'HOME',
  'HOST',
  'LANG',
  'PATH',
  'TZ',
  'USER',
  'LD_LIBRARY_PATH',
]);

/** PM2 lists an app’s environment in a field of its own, and also mixes it into the other fields. */
function environmentOf(pm2Env: Pm2Process['pm2_env']): Readonly<Record<string, unknown>> {
  const { env } = pm2Env;
  return typeof env === 'object' && env !== null ? { ...env } : pm2Env;
}

function variableOf(pm2Env: Pm2Process['pm2_env'], name: string): string | undefined {
  const value = environmentOf(pm2Env)[name] ?? pm2Env[name];
  return value === undefined ? undefined : String(value);
}
