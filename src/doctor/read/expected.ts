import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';

export interface Expected {
  /** Alembic's heads: revisions that no other one follows. */
  heads: readonly string[];
  /** All revisions that the installed version knows. */
  revisions: readonly string[];
  /** Keys that every start sees to in the `config` table. */
  configKeys: readonly string[];
  /** Milliseconds since 1970: when the package was put there. */
  installedAt: number;
}

/**
 * What the installed Open WebUI expects of its database, from its own files: migrations/versions and DEFAULT_CONFIG of
 * config.py. To import either would run the migrations. Throws TuneError where they are laid out in another way.
 */
export function readExpected(folder: string): Expected {
  try {
    const { heads, revisions } = readRevisions(join(folder, 'migrations', 'versions'));
    const configKeys = readConfigKeys(readFileSync(join(folder, 'config.py'), 'utf8'));
    if (heads.length === 0 || configKeys.length === 0) throw new Error('there is nothing of the kind');
    // Not its time of modification, which pip takes from the wheel.
    const installedAt = statSync(join(folder, 'config.py')).ctimeMs;
    return { heads, revisions, configKeys, installedAt };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TuneError(`the migrations of ${folder} cannot be read: ${reason}`, EXIT.openWebui);
  }
}

function readRevisions(folder: string): Pick<Expected, 'heads' | 'revisions'> {
  const followed = new Set<string>();
  const revisions: string[] = [];
  for (const name of readdirSync(folder)) {
    if (!name.endsWith('.py')) continue;
    const text = readFileSync(join(folder, name), 'utf8');
    const revision = /^revision\b[^=\n]*=\s*['"]([^'"]+)['"]/m.exec(text)?.[1];
    const before = /^down_revision\b[^=\n]*=\s*(\([^)]*\)|[^\n]*)/m.exec(text)?.[1] ?? '';
    if (revision !== undefined) revisions.push(revision);
    for (const [, id] of before.matchAll(/['"]([^'"]+)['"]/g)) if (id !== undefined) followed.add(id);
  }
  return { heads: revisions.filter((id) => !followed.has(id)), revisions };
}

function readConfigKeys(text: string): string[] {
  const body = /^DEFAULT_CONFIG\b[^=\n]*=\s*\{\n(.*?)^\}/ms.exec(text)?.[1] ?? '';
  return [...body.matchAll(/^ {4}['"]([\w.]+)['"]\s*:/gm)].map(([, key]) => String(key));
}
