import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import { RUN_FOLDER } from '../../runtime/contract.ts';

/** Version that the processes of an installation run, by the folder of its control socket; undefined: none runs. */
export function runningVersion(runFolder: string): string | undefined {
  let names: string[];
  try {
    names = readdirSync(runFolder).filter((name) => name.startsWith(RUN_FOLDER.generation));
  } catch {
    return undefined;
  }
  for (const name of names) {
    try {
      return readFileSync(join(runFolder, name, RUN_FOLDER.generationVersion), 'utf8').trim();
    } catch {
      // Its last process left in this moment.
    }
  }
  return undefined;
}

/** What is to be done; throws TuneError where it is nothing, or would go backwards. */
export interface Versions {
  /** What the database was last migrated by. */
  from: string;
  to: string;
  /** Whether the new one has been installed already, by hand. */
  installed: boolean;
}

export function chooseVersions({
  wanted,
  installed,
  running,
}: {
  wanted: string | undefined;
  installed: string;
  running: string | undefined;
}): Versions {
  const from = running ?? installed;
  const to = wanted ?? installed;
  if (wanted === undefined && installed === from) {
    throw new TuneError(
      `Open WebUI ${installed} is installed${running === undefined ? '' : ', and it is what runs'}: say which version you want`,
      EXIT.usage,
      ['webui-tune upgrade VERSION'],
    );
  }
  if (to === from) throw new TuneError(`Open WebUI ${to} is what runs already`, EXIT.usage);
  if (compareVersions(to, from) < 0) {
    throw new TuneError(`${to} is older than ${from}: Open WebUI’s migrations do not go back`, EXIT.usage, [
      'restore a backup of the database that the older version has made, and install that version',
    ]);
  }
  return { from, to, installed: installed === to };
}

/** Negative: `a` is older. Numbers part by part; what follows them (rc1, .dev0) counts as older than nothing. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [partsOf(a), partsOf(b)];
  for (let index = 0; index < Math.max(left.numbers.length, right.numbers.length); index++) {
    const difference = (left.numbers[index] ?? 0) - (right.numbers[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return Number(left.rest === '') - Number(right.rest === '');
}

function partsOf(version: string): { numbers: number[]; rest: string } {
  const release = /^\d+(?:\.\d+)*/.exec(version)?.[0] ?? '';
  return { numbers: release.split('.').map(Number), rest: version.slice(release.length) };
}
