import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder of this package, whether its code runs from dist/ or from src/. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`no package.json above ${fileURLToPath(import.meta.url)}`);
    folder = parent;
  }
  return folder;
}

export function packageVersion(): string {
  const { version }: { version: string } = JSON.parse(
    readFileSync(join(packageRoot(), 'package.json'), 'utf8'),
  );
  return version;
}

/**
 * A file that the build puts beside the bundles and that lies in src/ before: `built` below dist/, else `source` below
 * src/.
 */
export function shippedFile(built: string, source: string): string {
  const root = packageRoot();
  const inSource = join(root, 'src', source);
  // A checkout has both, and there the source is the newer one.
  return existsSync(inSource) ? inSource : join(root, 'dist', built);
}
