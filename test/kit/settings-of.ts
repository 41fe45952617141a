import type { Setting, Settings } from '../../src/facts/types.ts';

/** Settings as if they came from the environment. */
export function settingsOf(
  values: Readonly<Record<string, string>>,
  source: Setting['source'] = 'environment',
): Settings {
  return new Map(Object.entries(values).map(([name, value]) => [name, { value, source, secret: false }]));
}
