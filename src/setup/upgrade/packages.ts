import { join } from 'node:path';
import { z } from 'zod';
import { EXIT, TuneError } from '../../base/errors.ts';
import type { Environment } from '../../base/io/environment.ts';
import { runProgram, tailOf } from '../../base/io/run.ts';
import { downloadSize } from '../python/download-size.ts';
import { moduleEndingWithUs } from '../python/ending-with-us.ts';

/** A package that changes; `from` is undefined where there was none of that name. */
export interface PackageChange {
  name: string;
  from?: string;
  to: string;
}

/** The interpreter whose packages change, and where what is fetched for it is kept. */
export interface Packages {
  python: string;
  env: Environment;
  folder: string;
}

export const OPEN_WEBUI = 'open-webui';

const Report = z.object({
  install: z.array(
    z.object({
      metadata: z.object({ name: z.string(), version: z.string() }),
      download_info: z.object({ url: z.string() }),
    }),
  ),
});
const Installed = z.array(z.object({ name: z.string(), version: z.string() }));

const COMMON = ['--no-input', '--disable-pip-version-check', '--progress-bar', 'off'];

/** What pip would change to have a version of Open WebUI. */
export interface PackagePlan {
  changes: PackageChange[];
  /** Bytes to download; undefined where the index does not say. */
  bytes: number | undefined;
}

/** Changes nothing. Throws TuneError. */
export async function planPackages(packages: Packages, version: string): Promise<PackagePlan> {
  const args = ['install', '--dry-run', '--quiet', '--report', '-', `${OPEN_WEBUI}==${version}`];
  const { install } = Report.parse(jsonOf(await pip(packages, args)));
  const installed = await installedVersions(packages);
  const changes = install.map(({ metadata: { name, version: to } }) => {
    const from = installed.get(normalize(name));
    return { name: normalize(name), ...(from !== undefined && { from }), to };
  });
  const urls = install.map(({ download_info }) => download_info.url);
  return { changes, bytes: await downloadSize(packages.python, packages.env, urls) };
}

async function installedVersions(packages: Packages): Promise<Map<string, string>> {
  const list = Installed.parse(jsonOf(await pip(packages, ['list', '--format', 'json'])));
  return new Map(list.map(({ name, version }) => [normalize(name), version]));
}

/**
 * Fetches the new versions and the old ones, so that nothing has to be fetched once the workers are stopped, neither on
 * the way there nor on the way back. Throws TuneError.
 */
export async function fetchPackages(packages: Packages, changes: readonly PackageChange[]): Promise<void> {
  const wanted = changes.flatMap(({ name, from, to }) => [
    `${name}==${to}`,
    ...(from ? [`${name}==${from}`] : []),
  ]);
  // One by one: pip refuses two versions of a package at once.
  for (const requirement of wanted) {
    await pip(packages, ['download', '--no-deps', '--quiet', '--dest', wheelsOf(packages), requirement]);
  }
}

/**
 * A pip that was killed leaves files of a version that nothing lists, and so nothing removes: an old Open WebUI would run
 * the new one's migrations. Only code is looked at, and never a data folder in the package.
 */
const REMOVE_STRAYS = `
from importlib.metadata import distribution
from pathlib import Path

installed = distribution("open-webui")
package = Path(installed.locate_file("open_webui"))
listed = {Path(installed.locate_file(file)) for file in installed.files or []}
if package / "__init__.py" in listed:
    for path in package.rglob("*.py"):
        if path not in listed and path.relative_to(package).parts[0] != "data":
            path.unlink()
`;

/** Downloads and installs the new versions, into an environment that nobody uses yet. Throws TuneError. */
export async function installPackages(packages: Packages, changes: readonly PackageChange[]): Promise<void> {
  await pip(packages, ['install', '--no-deps', '--quiet', '--force-reinstall', ...versionsOf(changes)]);
  await removeStrays(packages);
}

/** Installs what was fetched, in place. Throws TuneError. */
export async function applyPackages(
  packages: Packages,
  changes: readonly PackageChange[],
  direction: 'forward' | 'back',
): Promise<void> {
  const versions = changes.flatMap(({ name, from, to }) => {
    const version = direction === 'forward' ? to : from;
    return version === undefined ? [] : [`${name}==${version}`];
  });
  if (versions.length > 0) await pip(packages, [...offline(packages), '--force-reinstall', ...versions]);
  const added = changes.filter(({ from }) => from === undefined).map(({ name }) => name);
  if (direction === 'back' && added.length > 0)
    await pip(packages, ['uninstall', '--yes', '--quiet', ...added]);
  await removeStrays(packages);
}

async function removeStrays({ python, env }: Packages): Promise<void> {
  const { code, output } = await runProgram(python, ['-P', '-c', REMOVE_STRAYS], { env });
  if (code !== 0) throw new TuneError(`${python} cannot be tidied up:\n${tailOf(output)}`, EXIT.service);
}

/** Installs what was fetched into a folder: ahead of the environment's own packages, it is the new version. Throws TuneError. */
export async function layPackages(
  packages: Packages,
  changes: readonly PackageChange[],
  folder: string,
): Promise<void> {
  await pip(packages, [...offline(packages), '--target', folder, ...versionsOf(changes)]);
}

const versionsOf = (changes: readonly PackageChange[]) => changes.map(({ name, to }) => `${name}==${to}`);

function offline(packages: Packages): string[] {
  return ['install', '--no-deps', '--quiet', '--no-index', '--find-links', wheelsOf(packages)];
}

const wheelsOf = ({ folder }: Packages) => join(folder, 'wheels');

const PIP = moduleEndingWithUs('pip');

async function pip({ python, env }: Packages, args: readonly string[]): Promise<string> {
  const [command = '', ...rest] = args;
  const takesCommon = command === 'install' || command === 'download';
  const all = ['-c', PIP, command, ...(takesCommon ? COMMON : ['--disable-pip-version-check']), ...rest];
  const { code, output } = await runProgram(python, all, { env });
  if (code === 0) return output;
  throw new TuneError(`pip ${command} failed for ${python}:\n${tailOf(output, 6)}`, EXIT.service);
}

/** pip may warn of something on the same stream first. */
function jsonOf(output: string): unknown {
  const start = output.search(/^[[{]/m);
  return JSON.parse(output.slice(start, output.lastIndexOf(output[start] === '[' ? ']' : '}') + 1));
}

/** PEP 503: the same package under any of its spellings. */
function normalize(name: string): string {
  return name.toLowerCase().replaceAll(/[-_.]+/g, '-');
}
