/** Programs of others that say whether a rendered file is right: Helm, Kubernetes' schemas, Compose. */

import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ExecaError, execa } from 'execa';
import { parseDocument, stringify } from 'yaml';
import { environments } from '../../scripts/environments.mjs';

const { validators } = environments();

/** Kubernetes whose schemas are taken: the newest that the package has. */
const KUBERNETES = '1.37';

/** Path of a program of theirs. Throws where they are not set up: they are part of the checks, never left out. */
function program(name: string): string {
  if (validators.isComplete()) return join(validators.folder, 'bin', name);
  throw new Error(`${validators.folder} is not set up: run node scripts/prepare.mjs`);
}

/** What a program says against its input; undefined: nothing. */
async function complaint(name: string, args: readonly string[]): Promise<string | undefined> {
  try {
    await execa(program(name), args, { all: true });
    return undefined;
  } catch (error) {
    const { all, message } = error as ExecaError<{ all: true }>;
    return all || message;
  }
}

/** What the strict schemas of Kubernetes say against objects. */
export function schemaFaults(folder: string, objects: readonly unknown[]): Promise<string | undefined> {
  const path = join(folder, 'objects.yaml');
  writeFileSync(path, objects.map((object) => `---\n${stringify(object)}`).join(''));
  return complaint('kubernetes-validate', ['-k', KUBERNETES, '--strict', path]);
}

/** What Compose says against a file. */
export function composeFaults(path: string): Promise<string | undefined> {
  return complaint('docker-compose', ['-f', path, 'config', '--quiet']);
}

/** A file as Compose understands it, its defaults filled in. */
export async function composeConfig(path: string): Promise<unknown> {
  const { stdout } = await execa(program('docker-compose'), ['-f', path, 'config', '--format', 'json']);
  return JSON.parse(stdout);
}

/**
 * A copy of a chart without its dependencies, which are not here: `helm template` would stop although all of them are
 * switched off, and the rest renders the same.
 */
export function chartWithoutDependencies(chart: string, folder: string): string {
  const copy = join(folder, 'chart');
  cpSync(chart, copy, { recursive: true });
  rmSync(join(copy, 'Chart.lock'), { force: true });
  const path = join(copy, 'Chart.yaml');
  const about = parseDocument(readFileSync(path, 'utf8'));
  about.delete('dependencies');
  writeFileSync(path, String(about));
  return copy;
}

/** The text that Helm renders. Throws with Helm's own words. */
export async function helmTemplate(
  chart: string,
  values: string,
  args: readonly string[] = [],
): Promise<string> {
  const { stdout } = await execa(
    program('helm'),
    ['template', 'owui', chart, '-n', 'chat', '-f', values, ...args],
    {
      env: { HELM_CACHE_HOME: chart, HELM_CONFIG_HOME: chart, HELM_DATA_HOME: chart },
    },
  );
  return stdout;
}
