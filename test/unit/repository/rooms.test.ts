/** Which room imports which: data flows one way, from `base/` up to `commands/`, and from the worker's parts up to `main`. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../../kit/environment.ts';

const SRC = join(ROOT, 'src');
const PACKAGE = join(SRC, 'runtime', 'preload', 'webui_preload');

/** Each room may import those after it. */
const ROOMS = [
  'commands',
  'doctor',
  'bench',
  'setup',
  'tune',
  'render',
  'plan',
  'facts',
  'runtime',
  'base',
] as const;

/** The same for the packages of the preload process; modules beside them are `common`, but for those that start it. */
const PACKAGES = [
  'start',
  'forking',
  'worker',
  'documents',
  'services',
  'sharing',
  'models',
  'shortcuts',
  'static',
  'host',
  'common',
] as const;

/** Modules that start the process, and may import every package. */
const STARTING = ['main', 'uvicorn_workers'];

interface Import {
  from: string;
  to: string;
}

function filesBelow(folder: string, ending: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Relative imports of TypeScript, of values and of types. */
function typescriptImports(): Import[] {
  return filesBelow(SRC, '.ts').flatMap((path) => {
    const found = readFileSync(path, 'utf8').matchAll(/(?:from|import\(|import)\s*['"](\.[^'"]+)['"]/g);
    return [...found].map(([, target = '']) => ({
      from: relative(SRC, path),
      to: relative(SRC, normalize(join(dirname(path), target))),
    }));
  });
}

/** Relative imports of Python, as paths below the package without their ending. */
function pythonImports(): Import[] {
  return filesBelow(PACKAGE, '.py').flatMap((path) => {
    const found = readFileSync(path, 'utf8').matchAll(/^\s*from (\.+)([\w.]*) import ([\w, ]+)/gm);
    return [...found].flatMap(([, dots = '', module = '', names = '']) => {
      const folder = join(dirname(path), ...Array.from({ length: dots.length - 1 }, () => '..'));
      // `from . import a, b` names modules.
      const modules =
        module === '' ? names.split(',').map((name) => name.trim().split(' ')[0] ?? '') : [module];
      return modules.map((name) => ({
        from: relative(PACKAGE, path),
        to: relative(PACKAGE, join(folder, ...name.split('.'))),
      }));
    });
  });
}

const roomOf = (path: string) => (path.includes('/') ? path.slice(0, path.indexOf('/')) : undefined);

function packageOf(path: string): string {
  const name = path.replace(/\.py$/, '');
  return (
    roomOf(path) ?? (PACKAGES.find((one) => one === name) || (STARTING.includes(name) ? 'start' : 'common'))
  );
}

/** Imports that go up, as `from → to`. */
function upward(
  imports: readonly Import[],
  order: readonly string[],
  placeOf: (path: string) => string | undefined,
): string[] {
  return imports
    .filter(({ from, to }) => {
      const [above, below] = [placeOf(from), placeOf(to)];
      return above !== undefined && below !== undefined && order.indexOf(below) < order.indexOf(above);
    })
    .map(({ from, to }) => `${from} → ${to}`);
}

describe('the rooms of src/', () => {
  it('are those of the list, and nothing is loose beside them', () => {
    const entries = filesBelow(SRC, '').map((path) => relative(SRC, path).split('/')[0]);
    expect([...new Set(entries)].sort()).toEqual([...ROOMS, 'cli.ts', 'index.ts'].sort());
  });

  it('import those below alone', () => {
    const imports = typescriptImports();
    expect(imports.length).toBeGreaterThan(500);
    expect(upward(imports, ROOMS, roomOf)).toEqual([]);
  });
});

describe('the packages of the preload process', () => {
  it('are those of the list', () => {
    const folders = readdirSync(PACKAGE, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const names = folders.map(({ name }) => name).filter((name) => name !== '__pycache__');
    expect(names.sort()).toEqual(PACKAGES.filter((name) => !['start', 'common'].includes(name)).sort());
  });

  it('import those below alone', () => {
    const imports = pythonImports();
    expect(imports.length).toBeGreaterThan(80);
    expect(upward(imports, PACKAGES, packageOf)).toEqual([]);
  });
});
