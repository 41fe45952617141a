import { Document, isMap, isPair, isScalar, Scalar } from 'yaml';
import { commentText } from './literal.ts';

/** Plain data for a YAML file. */
export type YamlValue = string | number | boolean | YamlValue[] | { [key: string]: YamlValue };

/** A comment for the key at a path; it stands above the key. A list's items are numbers. */
export type YamlComment = readonly [path: readonly (string | number)[], text: string];

/** Columns at which comments are broken. */
const WIDTH = 110;

/**
 * Data and comments → text; `header` is the comment at the top. Throws Error for a comment on a key that is not there.
 */
export function renderYaml(values: YamlValue, comments: readonly YamlComment[], header: string): string {
  // Helm and Compose read YAML 1.1 in places, where a bare `no` or `1:30` is no string.
  const document = new Document(values, { aliasDuplicateObjects: false, version: '1.1' });
  for (const [path, text] of comments) {
    const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
    const key = isMap(parent)
      ? parent.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === path.at(-1))?.key
      : document.getIn(path, true);
    if (!isScalar(key) && !isMap(key)) throw new Error(`a comment on ${path.join('.')}, which is not there`);
    key.commentBefore = wrap(text, WIDTH - 2 * path.length);
  }
  const top = header
    .split('\n')
    .map((line) => `# ${commentText(line)}`.trimEnd())
    .join('\n');
  return `${top}\n\n${document.toString({ lineWidth: 0, commentString, blockQuote: 'literal' })}`;
}

/** A string that is easier to read line by line. */
export function block(text: string): YamlValue {
  const scalar = new Scalar(text);
  scalar.type = Scalar.BLOCK_LITERAL;
  return scalar as unknown as YamlValue;
}

/** A reason as a sentence of its own. */
export function sentence(reason: string): string {
  return `${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`;
}

function commentString(text: string): string {
  return text
    .split('\n')
    .map((line) => `# ${commentText(line)}`)
    .join('\n');
}

function wrap(text: string, width: number): string {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join('\n');
}
