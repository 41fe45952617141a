import { dirname, join, resolve, sep } from 'node:path';
import { type Installed, readInstalled } from '../embedded/installed.ts';
import { viewpointOf } from '../installation.ts';
import { controlSocket, defaultDataDir, staticCache } from '../io/folders.ts';
import { namesIn, textOf } from '../io/read.ts';
import { statOrUndefined } from '../io/stat.ts';
import type { Setup } from './setup.ts';

/** What `down --purge` takes away, and what it leaves. */
export interface PurgeList {
  /** Folders and files, services of root's and the state file aside. */
  folders: string[];
  /** Folders above those, which go where nothing else is in them; the inner ones first. */
  parents: string[];
  /** Undefined: no services were set up. */
  installed?: Installed;
  /** What the user has made, in or outside of our folders: it stays. */
  left: string[];
  /** The user's own data folder, with our file of secrets in it. */
  ownDataDir?: string;
}

/** Looks at what there is; a broken installation is no obstacle. Changes nothing. */
export function listPurge(setup: Setup): PurgeList {
  const { env, home, folder, services, remembered } = setup;
  const standard = defaultDataDir(env, home);
  const { dataDir, envFile } = placesOf(setup);
  const ownDataDir = dataDir === undefined || dataDir === standard ? undefined : dataDir;
  const left = [ownDataDir, envFile].filter((path) => path !== undefined && isThere(path)) as string[];
  const installed = readInstalled(services);
  const cache = staticCache(env, home);
  const model = remembered.made?.model;
  const folders = [
    dirname(controlSocket(dataDir ?? standard, env, home)),
    cache,
    ...(model === undefined ? [] : [model]),
    ...namesIn(folder)
      .filter((name) => name !== STATE_NAME)
      .map((name) => join(folder, name)),
    ...(services.startsWith(folder + sep) ? [] : [services]),
  ];
  return {
    folders: folders.filter((path) => isThere(path) && !left.includes(path)),
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

/** Of our folder the last that goes: it knows what else was made. */
export const STATE_NAME = 'up.json';

/** By the words of the settings alone: the Python that would read them may be gone already. */
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

function isThere(path: string): boolean {
  return statOrUndefined(path) !== undefined;
}
