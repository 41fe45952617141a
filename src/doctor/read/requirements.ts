import type { Surroundings } from '../../facts/openwebui/candidates.ts';
import { probe } from '../../facts/openwebui/probe.ts';

/** A package that a tool or function of an administrator asks for in its first lines. */
export interface Requirement {
  /** `tool NAME` or `function NAME`. */
  by: string;
  /** As pip takes it. */
  text: string;
  isMet: boolean;
}

/** The source code of a tool, or of a function that is switched on. */
export interface Plugin {
  by: string;
  content: string;
}

/** Asks the interpreter which packages it has. Throws TuneError where it cannot be run. */
export async function readRequirements(
  plugins: readonly Plugin[],
  python: string,
  surroundings: Pick<Surroundings, 'env' | 'cwd'>,
): Promise<Requirement[]> {
  const asked = plugins.flatMap(({ by, content }) => requirementsIn(content).map((text) => ({ by, text })));
  if (asked.length === 0) return [];
  const requirements = asked.map(({ text }) => text);
  const question = { envFile: undefined, dataDirs: [], secretsName: '', requirements };
  const { unmet } = await probe(python, question, surroundings);
  return asked.map((one) => ({ ...one, isMet: !unmet.includes(one.text) }));
}

/**
 * As Open WebUI reads them: from a line of the docstring that the code begins with (open_webui/utils/plugin.py,
 * 0.12.4).
 */
export function requirementsIn(content: string): string[] {
  const [first, ...lines] = content.split(/\r\n|\r|\n/);
  if (first?.trim() !== '"""') return [];
  const end = lines.findIndex((line) => line.includes('"""'));
  // The last one counts, as in a dictionary.
  const found = lines.slice(0, end < 0 ? lines.length : end).flatMap((line) => {
    const [, name, value] = /^\s*([a-z_]+):\s*(.*)\s*$/i.exec(line) ?? [];
    return name === 'requirements' ? [value ?? ''] : [];
  });
  return (found.at(-1) ?? '')
    .split(',')
    .map((text) => text.trim())
    .filter(Boolean);
}
