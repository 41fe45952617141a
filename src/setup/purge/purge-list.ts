import { dirname, join, resolve, sep } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import { controlSocket, defaultDataDir, staticCache } from '../../base/io/folders.ts';
import { namesIn, textOf } from '../../base/io/read.ts';
import { statOrUndefined } from '../../base/io/stat.ts';
import { type Installed, readInstalled } from '../../facts/embedded/installed.ts';
import { backupStatePath, readBackupState } from '../../runtime/backups/state.ts';
import { viewpointOf } from '../../tune/installation.ts';
import type { Setup } from '../up/setup.ts';

/** What `down --purge` takes away, and what it leaves. */
export interface PurgeList {
  /** Folders and files, without root's services and the state file. */
  folders: string[];
  controlSocket: string;
  /** Folders above those, inner ones first. They are removed if they are empty. */
  parents: string[];
  /** Undefined: no services were set up. */
  installed?: Installed;
  /** What the user made, inside or outside of our folders. It stays. */
  left: string[];
  /** The user's own data folder, with our file of secrets in it. */
  ownDataDir?: string;
}

/**
 * Looks at what there is, also at a broken installation. Changes nothing. Throws TuneError where the user's data
 * cannot be told from ours.
 */
export function listPurge(setup: Setup): PurgeList {
  const { env, home, folder, services, remembered } = setup;
  const standard = defaultDataDir(env, home);
  const { dataDir, envFile } = placesOf(setup);
  const ownDataDir = dataDir === undefined || dataDir === standard ? undefined : dataDir;
  const left = [ownDataDir, envFile, ownBackups(folder)].filter(
    (path) => path !== undefined && isThere(path),
  ) as string[];
  if (ownDataDir === folder) {
    throw new TuneError(
      `DATA_DIR is ${folder}, which has everything else in it too: nothing was deleted`,
      EXIT.settings,
      ['stop it (webui-tune down), move your data to a folder of its own, and set DATA_DIR to that'],
    );
  }
  const installed = installedOrUndefined(services);
  const socket = controlSocket(dataDir ?? standard, env, home);
  const cache = staticCache(env, home);
  const model = remembered.made?.model;
  const folders = [
    dirname(socket),
    cache,
    ...(model === undefined ? [] : [model]),
    ...namesIn(folder)
      .filter((name) => name !== STATE_NAME)
      .map((name) => join(folder, name)),
    ...(services.startsWith(folder + sep) ? [] : [services]),
  ];
  return {
    folders: folders.filter((path) => isThere(path) && !left.includes(path)),
    controlSocket: socket,
    // Those of the model are the cache of huggingface_hub.
    parents: [
      dirname(cache),
      ...(model === undefined ? [] : [dirname(model), dirname(dirname(model))]),
      services,
      dirname(services),
    ],
    left,
    ...(installed && { installed }),
    ...(ownDataDir !== undefined && { ownDataDir }),
  };
}

/** The folder of the scheduled backups, where that is the user's. */
function ownBackups(folder: string): string | undefined {
  try {
    const backups = readBackupState(backupStatePath(folder))?.folder;
    return backups?.startsWith(folder + sep) ? undefined : backups;
  } catch (error) {
    if (error instanceof TuneError) return undefined; // damaged: nothing of it is deleted
    throw error;
  }
}

/** The file of our folder that goes last: it records what else was made. */
export const STATE_NAME = 'up.json';

/** From the text of the settings alone: the Python that would read them may be gone already. */
function placesOf(setup: Setup): { dataDir?: string; envFile?: string } {
  const from = { ...setup.surroundings, out: setup.ecosystemFile };
  const { envFile: named } = setup.remembered.options;
  const said = named !== undefined && isThere(named) ? { envFile: named } : {};
  const { envFilePath } = viewpointOf({ ...from, ...said });
  const line = /^[ \t]*(?:export[ \t]+)?DATA_DIR[ \t]*=[ \t]*(["']?)(.+?)\1[ \t]*$/m;
  const inFile = envFilePath === undefined ? undefined : line.exec(textOf(envFilePath))?.[2];
  const dataDir = setup.env.DATA_DIR
    ? resolve(setup.surroundings.cwd, setup.env.DATA_DIR)
    : inFile !== undefined && envFilePath !== undefined
      ? resolve(dirname(envFilePath), inFile)
      : undefined;
  return {
    ...(dataDir !== undefined && { dataDir }),
    ...(envFilePath !== undefined && { envFile: envFilePath }),
  };
}

/** A damaged file counts as none: everything beside it is still removed. */
function installedOrUndefined(services: string): Installed | undefined {
  try {
    return readInstalled(services);
  } catch (error) {
    if (error instanceof TuneError) return undefined;
    throw error;
  }
}

function isThere(path: string): boolean {
  return statOrUndefined(path) !== undefined;
}
