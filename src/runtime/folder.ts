import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import { systemCode } from '../base/errors.ts';
import { dataHome } from '../base/io/folders.ts';
import { packageRoot, packageVersion } from '../base/io/package.ts';
import { RUNTIME_FILES } from './contract.ts';

/** Caches that package runners empty when they like: npx, pnpm dlx, bunx, yarn dlx. */
const THROW_AWAY = /[/\\](?:_npx|dlx-[^/\\]*|bunx-[^/\\]*|xfs-[^/\\]*)[/\\]/;

export interface RuntimeFolder {
  path: string;
  /** Where its files are now: the same path, unless the package lies in a cache that may be emptied. */
  source: string;
}

/**
 * A path of the runtime files that stays valid: PM2 reads them at every restart, long after npx has emptied its cache.
 * `root` is the package's folder. Writes nothing; keepRuntime does. Throws where a file is missing.
 */
export function stableRuntime(env: NodeJS.ProcessEnv, root = packageRoot()): RuntimeFolder {
  const source = join(root, 'dist', 'runtime');
  for (const file of Object.values(RUNTIME_FILES)) {
    if (!existsSync(join(source, file))) {
      throw new Error(
        `${join(source, file)} is missing: the package is incomplete (in a checkout: npm run build)`,
      );
    }
  }
  if (!isThrowAway(root)) return { path: source, source };
  return pathByContent(source, join(dataHome(env), 'runtime'), packageVersion());
}

export function isThrowAway(folder: string): boolean {
  return THROW_AWAY.test(`${folder}${sep}`) || !relative(tmpdir(), folder).startsWith('..');
}

/** Where a copy of the folder belongs. Version and content make its name, so that a running copy never changes. */
export function pathByContent(source: string, parent: string, version: string): RuntimeFolder {
  return { path: join(parent, `${version}-${contentHash(source)}`), source };
}

/** Copies the files to the path that stays, unless they are there; true where it copied them. */
export function keepRuntime({ path, source }: RuntimeFolder): boolean {
  if (existsSync(path)) return false;
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    cpSync(source, temporary, { recursive: true, filter: (name) => !name.includes('__pycache__') });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    // Another run was faster, and its copy has the same content.
    if (!['ENOTEMPTY', 'EEXIST'].includes(systemCode(error) ?? '')) throw error;
    return false;
  }
  return true;
}

/** Hash of the names and contents of all files, in order, without Python's bytecode caches. */
function contentHash(folder: string): string {
  const hash = createHash('sha256');
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('__pycache__'))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
  for (const file of files)
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(folder, file)))
      .update('\0');
  return hash.digest('hex').slice(0, 8);
}
