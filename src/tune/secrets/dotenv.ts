/**
 * A line of an env file from which python-dotenv, without interpolation, reads exactly this value: in double quotes it
 * decodes `\\`, `\"`, `\n` and `\r`, and takes everything else as it is. Each value takes one line, whatever it holds.
 */
export function dotenvLine(name: string, value: string): string {
  const escaped = value
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r');
  return `${name}="${escaped}"\n`;
}

/** Names and values of the lines that dotenvLine has written. */
export function readDotenvLines(text: string): Map<string, string> {
  const lines = text.matchAll(/^(\w+)="((?:[^"\\\n]|\\.)*)"$/gm);
  const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r' };
  return new Map(
    [...lines].map(([, name = '', value = '']) => [
      name,
      value.replaceAll(/\\(.)/g, (_, character: string) => escapes[character] ?? character),
    ]),
  );
}
