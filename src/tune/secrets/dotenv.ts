/**
 * A line of an env file that python-dotenv reads back byte by byte when it does not interpolate: in double quotes it
 * decodes `\\`, `\"`, `\n` and `\r`, and takes everything else as it is. One line a value, whatever is in it.
 */
export function dotenvLine(name: string, value: string): string {
  const escaped = value
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r');
  return `${name}="${escaped}"\n`;
}
