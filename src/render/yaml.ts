import { Document, isMap, isPair, isScalar, Scalar } from 'yaml';
import { commentText } from './literal.ts';

/** Plain data for a YAML file. */
export type YamlValue = string | number | boolean | YamlValue[] | { [key: string]: YamlValue };

/** A comment, printed above the key at a path. Numbers are indices of a list. */
export type YamlComment = readonly [path: readonly (string | number)[], text: string];

/** Columns after which comments wrap. */
const WIDTH = 110;

/**
 * Data and comments → text; `header` is the comment at the top. Throws Error for a comment on a missing key.
 */
export function renderYaml(values: YamlValue, comments: readonly YamlComment[], header: string): string {
  // Helm and Compose partly read YAML 1.1, in which a bare `no` or `1:30` is not a string.
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

/** A string as a literal block, which is easier to read. */
export function block(text: string): YamlValue {
  const scalar = new Scalar(text);
  scalar.type = Scalar.BLOCK_LITERAL;
  return scalar as unknown as YamlValue;
}

/** A reason as a sentence. */
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
