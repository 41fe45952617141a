import { cpSync, existsSync, readFileSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, delimiter, dirname, join, sep } from 'node:path';
import type { Environment } from '../../base/io/environment.ts';
import { dataHome } from '../../base/io/folders.ts';
import { packageRoot, packageVersion } from '../../base/io/package.ts';
import { findOnPath } from '../../base/io/path.ts';
import { makePrivateFolder } from '../../base/io/write.ts';
import { isThrowAway } from '../../runtime/folder.ts';

/** Oldest major version of PM2 that the rendered file was tried with. */
const OLDEST_MAJOR = 7;

export interface Pm2Program {
  /** The file that Node runs. */
  path: string;
  version: string;
  /** In words, for people. */
  where: string;
}

/**
 * The PM2 that the user has installed, as long as it is new enough; else the one that this package brings. npx empties
 * its cache at any time, and PM2's daemon reads its own files while it runs: `copy` puts PM2 into the data folder,
 * and returns where it is then.
 */
export function findPm2(env: Environment, home: string): Pm2Program & { copy?: () => string } {
  const installed = installedPm2(env);
  if (installed && majorOf(installed.version) >= OLDEST_MAJOR) return installed;
  const own = createRequire(import.meta.url).resolve('pm2/package.json');
  const { version } = JSON.parse(readFileSync(own, 'utf8')) as { version: string };
  const where = installed
    ? `the package’s own: ${installed.path} is PM2 ${installed.version}, and ${OLDEST_MAJOR} is needed`
    : 'the package’s own';
  const program = join(dirname(own), 'bin', 'pm2');
  if (!isThrowAway(packageRoot())) return { path: program, version, where };
  // The whole folder of packages: PM2's dependencies lie beside it.
  const packages = dirname(dirname(own));
  const kept = join(dataHome(env, home), 'pm2', version, 'node_modules');
  const lasting = join(kept, 'pm2', 'bin', 'pm2');
  if (existsSync(lasting)) return { path: lasting, version, where };
  const copy = () => {
    if (!existsSync(lasting)) copyPackages(packages, kept);
    return lasting;
  };
  return { path: program, version, where, copy };
}

/** A folder of packages on PATH (npx, npm run) is not an installation of the user. */
function installedPm2({ PATH = '' }: Environment): Pm2Program | undefined {
  const folders = PATH.split(delimiter).filter((folder) => !folder.endsWith(join('node_modules', '.bin')));
  const command = findOnPath('pm2', folders.join(delimiter));
  if (command === undefined) return undefined;
  const path = realpathSync(command);
  try {
    const about = JSON.parse(readFileSync(join(dirname(dirname(path)), 'package.json'), 'utf8'));
    if (about.name !== 'pm2') return undefined;
    return { path, version: String(about.version), where: 'installed globally' };
  } catch {
    return undefined; // somebody's own script of that name
  }
}

function majorOf(version: string): number {
  return Number.parseInt(version, 10) || 0;
}

/**
 * This package's own program, where it stays: what PM2 starts at some time has to be there then. In a cache that may be
 * emptied, the folder of packages is copied, as PM2's is.
 */
export function lastingProgram(env: Environment, home: string): string {
  const root = packageRoot();
  const program = join('dist', 'cli.js');
  if (!isThrowAway(root) || basename(dirname(root)) !== 'node_modules') return join(root, program);
  const kept = join(dataHome(env, home), 'program', packageVersion(), 'node_modules');
  if (!existsSync(kept)) copyPackages(dirname(root), kept);
  return join(kept, basename(root), program);
}

/** Appears at once, whole. */
function copyPackages(from: string, to: string): void {
  makePrivateFolder(dirname(to));
  const temporary = `${to}.${process.pid}.tmp`;
  try {
    cpSync(from, temporary, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !path.includes(`${sep}.cache${sep}`),
    });
    renameSync(temporary, to);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}
