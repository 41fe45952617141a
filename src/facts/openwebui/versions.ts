import { EXIT, TuneError } from '../../base/errors.ts';
import { quoteForShell } from '../../base/io/shell.ts';
import type { Probe } from './probe.ts';

/** Oldest version whose import the runtime knows, and the first one that it was not tried with. */
const OLDEST = [0, 12] as const;
const UNTRIED = [0, 13] as const;

/** Requires-Python of Open WebUI 0.12, for interpreters that have no Open WebUI to ask. */
const PYTHONS = '3.11 or 3.12';

export function isSupportedPython(version: string): boolean {
  return /^3\.1[12]\./.test(version);
}

/** How to get an Open WebUI where there is none. */
export const INSTALL = [
  'python3.11 -m venv .venv',
  ".venv/bin/python -m pip install 'open-webui[postgres]'",
] as const;

/**
 * Throws TuneError if the installed Open WebUI cannot be run, with the command that mends it. Returns warnings.
 */
export function checkVersions(python: string, { python: version, package: about }: Probe): string[] {
  if (!about) return [];
  if (!about.python_supported) {
    const wanted = about.requires_python ?? PYTHONS;
    throw new TuneError(
      `Open WebUI ${about.version} needs Python ${wanted}; ${python} is ${version}`,
      EXIT.openWebui,
      INSTALL,
    );
  }
  if (isBefore(about.version, OLDEST)) {
    throw new TuneError(
      `Open WebUI ${about.version} is too old: 0.12 or newer is needed (${python})`,
      EXIT.openWebui,
      [pipInstall(python, 'open-webui[postgres]>=0.12,<0.13')],
    );
  }
  if (isBefore(about.version, UNTRIED)) return [];
  return [`Open WebUI ${about.version} is newer than what webui-tune was tested with (0.12)`];
}

/** Throws TuneError for an interpreter without Open WebUI. */
export function missingPackage(python: string, { python: version }: Probe): TuneError {
  return isSupportedPython(version)
    ? new TuneError(`Open WebUI is not installed for ${python} (Python ${version})`, EXIT.openWebui, [
        pipInstall(python, 'open-webui[postgres]'),
      ])
    : new TuneError(
        `Open WebUI is not installed for ${python}, and cannot be: that is Python ${version}, it needs ${PYTHONS}`,
        EXIT.openWebui,
        INSTALL,
      );
}

export function pipInstall(python: string, requirement: string): string {
  return `${quoteForShell(python)} -m pip install '${requirement}'`;
}

function isBefore(version: string, [major, minor]: readonly [number, number]): boolean {
  const [ours = 0, oursMinor = 0] = version.split('.').map((part) => Number.parseInt(part, 10) || 0);
  return ours < major || (ours === major && oursMinor < minor);
}
