import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { EXIT, type ExitCode, TuneError } from '../base/errors.ts';
import { statOrUndefined } from '../base/io/stat.ts';
import type { Terminal } from '../base/io/terminal.ts';
import { reportOf } from '../render/report.ts';
import { renderUnits, UNITS } from '../render/systemd/index.ts';
import { checkOutput, writeOutput } from '../tune/output.ts';
import { prepare, tune } from '../tune/tune.ts';
import { type EcosystemOptions, requireNoHelmOptions } from './plan-options.ts';
import { printReport } from './report.ts';

/** Folder for the administrator's own units. */
const FOLDER = '/etc/systemd/system';

/**
 * Prints the systemd units, one after the other as `systemctl cat` does, or writes them into the folder `--out`. Installs
 * and starts nothing. Throws TuneError.
 */
export async function printUnits(options: EcosystemOptions, terminal: Terminal): Promise<ExitCode> {
  requireNoHelmOptions(options);
  const folder = options.out === undefined ? undefined : resolve(options.out);
  if (folder !== undefined) checkFolder(folder, options);
  const { out: _, ...others } = options;
  const tuned = await tune(others);
  const { plan, notes } = tuned;
  const units = renderUnits(plan, { node: process.execPath, user: userInfo().username });

  if (options.root === undefined) notes.push(...(await prepare(tuned)));
  for (const { name, text } of units) {
    if (folder !== undefined) writeOutput(join(folder, name), text);
    else terminal.out(`# ${FOLDER}/${name}\n${text}\n`);
  }
  notes.push(
    folder === undefined
      ? `write them into a folder: --out ${FOLDER}`
      : `written: ${units.map(({ name }) => join(folder, name)).join(', ')}`,
    `start them: systemctl daemon-reload && systemctl enable --now ${UNITS.target}`,
  );
  if (userInfo().uid === 0) {
    notes.push(
      'the services run as root, because you are root: to run them as another user, run webui-tune as that user',
    );
  }
  printReport(reportOf(plan, notes), terminal);
  return EXIT.ok;
}

function checkFolder(folder: string, { force, root }: EcosystemOptions): void {
  if (root !== undefined) {
    throw new TuneError('--root plans for another machine, and writes nothing here', EXIT.usage, [
      'omit --out: the units are printed',
    ]);
  }
  if (!statOrUndefined(folder)?.isDirectory()) {
    throw new TuneError(
      `--out ${folder} is not a folder, and --format systemd writes several files`,
      EXIT.output,
      [`--out ${FOLDER}, or another existing folder`],
    );
  }
  for (const name of Object.values(UNITS)) checkOutput(join(folder, name), force ?? false);
}
