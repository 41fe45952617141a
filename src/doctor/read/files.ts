import { accessSync, constants, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { freeBytes } from '../../base/io/disk-space.ts';
import { controlSocket } from '../../base/io/folders.ts';
import { namesIn } from '../../base/io/read.ts';
import { statOrUndefined } from '../../base/io/stat.ts';
import { fileSystemOf } from '../../base/machine/file-system.ts';
import { processesWith } from '../../base/machine/processes.ts';
import { databaseUrl, parseDatabaseUrl } from '../../facts/services/urls.ts';
import type { Settings } from '../../facts/types.ts';
import { KEY_DIGEST, RUN_FOLDER } from '../../runtime/contract.ts';
import type { Installation, Viewpoint } from '../../tune/installation.ts';

export interface PrivateFile {
  path: string;
  /** In words, for people. */
  what: string;
  /** Permission bits that it should have. */
  wanted: number;
  /** Permission bits that it has; undefined: it is not there. */
  mode?: number;
  /** Milliseconds since 1970; 0 where it is not there. */
  changedAt: number;
}

export interface FileFacts {
  envFile?: PrivateFile;
  secrets: PrivateFile;
  dumps: readonly PrivateFile[];
  /** Digest of the key that the last start used; undefined: no start left one. */
  keyDigest?: { salt: string; scrypt: string };
  /** Keys that Open WebUI itself has drawn. */
  keys: readonly PrivateFile[];
  runFolder: PrivateFile;
  /** Our own files and folders that are no longer used; undefined: not looked for, because the cluster runs. */
  stale?: readonly string[];
  dataDir: { path: string; exists: boolean; isWritable: boolean; freeBytes: number };
  /** Where an SQLite database is, or would be. */
  sqlite: { path: string; fileSystem: string };
}

const PRIVATE_FILE = 0o600;
const PRIVATE_FOLDER = 0o700;
/** Open WebUI's own file for the key that it draws (open_webui/__init__.py). */
const KEY_FILE = '.webui_secret_key';
/** What writeAtomically and the packing of static files leave behind when they are killed. */
const TEMPORARY = /\.tmp$/;

/**
 * Looks at the modes of all that should be private, and for what is left over. Opens none but the digest of the key.
 */
export function readFiles(
  from: Viewpoint,
  { dataDir, secretsFile, settings }: Installation,
  pm2Home: string,
): FileFacts {
  const { env, home, cwd, envFilePath } = from;
  const socket = controlSocket(dataDir.path, env, home);
  const runFolder = dirname(socket);
  const isRunning = processesWith('/', socket).length > 0;
  const database = sqlitePath(settings, dataDir.path, cwd);
  return {
    ...(envFilePath !== undefined && { envFile: look(envFilePath, 'your settings') }),
    secrets: look(secretsFile, 'the secrets that are kept for you'),
    dumps: ['dump.pm2', 'dump.pm2.bak'].map((name) => look(join(pm2Home, name), 'what PM2 saves')),
    keys: [...new Set([dataDir.path, cwd])].map((folder) =>
      look(join(folder, KEY_FILE), 'a key of Open WebUI'),
    ),
    ...readKeyDigest(join(dataDir.path, KEY_DIGEST)),
    runFolder: look(runFolder, 'the control folder', PRIVATE_FOLDER),
    ...(!isRunning && { stale: staleIn(runFolder) }),
    dataDir: {
      path: dataDir.path,
      exists: statOrUndefined(dataDir.path)?.isDirectory() ?? false,
      isWritable: isWritable(dataDir.path),
      freeBytes: freeBytes(dataDir.path),
    },
    sqlite: { path: database, fileSystem: fileSystemOf(database) },
  };
}

/** SQLAlchemy's sqlite:////absolute/path or sqlite:///path; without one, Open WebUI's own file (open_webui/env.py). */
function sqlitePath(settings: Settings, dataDir: string, cwd: string): string {
  const url = parseDatabaseUrl(databaseUrl(settings) ?? '');
  return url?.scheme === 'sqlite' && url.database ? resolve(cwd, url.database) : join(dataDir, 'webui.db');
}

function look(path: string, what: string, wanted = PRIVATE_FILE): PrivateFile {
  const found = statOrUndefined(path);
  return { path, what, wanted, ...(found && { mode: found.mode & 0o777 }), changedAt: found?.mtimeMs ?? 0 };
}

const KeyDigest = z.object({ salt: z.string(), scrypt: z.string() });

/** A broken file counts as none. */
function readKeyDigest(path: string): Pick<FileFacts, 'keyDigest'> {
  try {
    return { keyDigest: KeyDigest.parse(JSON.parse(readFileSync(path, 'utf8'))) };
  } catch {
    return {};
  }
}

/** While nothing runs, what a generation left is of no use: the next one makes its own. */
function staleIn(folder: string): string[] {
  const names = namesIn(folder);
  return names
    .filter(
      (name) => name.startsWith(RUN_FOLDER.generation) || name === 'control.sock' || TEMPORARY.test(name),
    )
    .map((name) => join(folder, name));
}

/** If the folder does not exist yet, the one above it decides. */
function isWritable(path: string): boolean {
  let folder = path;
  while (!statOrUndefined(folder) && folder !== dirname(folder)) folder = dirname(folder);
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
