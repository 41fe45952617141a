import { EXIT, TuneError } from '../../base/errors.ts';
import { type Candidate, findCandidates, namedPython, type Surroundings } from './candidates.ts';
import { type Probe, probe, type Question } from './probe.ts';
import { checkVersions, INSTALL, missingPackage } from './versions.ts';

export interface FoundOpenWebui extends Candidate {
  probe: Probe & { package: NonNullable<Probe['package']> };
  warnings: string[];
}

/** Where Open WebUI is looked for without `--python`; the error lists it. */
const PLACES = [
  'the active virtual environment ($VIRTUAL_ENV, $CONDA_PREFIX)',
  './.venv and ./venv',
  'open-webui on PATH',
  'pipx and uv tool folders',
];

/**
 * Finds the interpreter that Open WebUI is installed for. `python` is what `--python` said; with it, nothing else is
 * tried. Throws TuneError.
 */
export async function findOpenWebui(
  python: string | undefined,
  question: Question,
  surroundings: Surroundings,
): Promise<FoundOpenWebui> {
  const candidates =
    python === undefined ? findCandidates(surroundings) : [namedPython(python, surroundings)];
  const failures: string[] = [];
  for (const candidate of candidates) {
    try {
      const answer = await probe(candidate.python, question, surroundings);
      if (!answer.package) throw missingPackage(candidate.python, answer);
      const warnings = checkVersions(candidate.python, answer);
      return { ...candidate, probe: { ...answer, package: answer.package }, warnings };
    } catch (error) {
      if (!(error instanceof TuneError) || candidates.length === 1) throw error;
      failures.push(`${candidate.where}: ${error.message}`);
    }
  }
  const tried = failures.length > 0 ? failures : PLACES.map((place) => `${place}: nothing there`);
  throw new TuneError(
    `Open WebUI was not found.\n${tried.map((line) => `  ${line}`).join('\n')}`,
    EXIT.openWebui,
    [...INSTALL, 'or name its interpreter: webui-tune --python /path/to/venv/bin/python'],
  );
}
