import { capacityFor } from './capacity.ts';
import { renderCapacity, renderLimits } from './table.ts';

/** A marker, and the generated block below it. */
const BLOCK = /<!-- (capacity|limits)(?: (\d+))? -->\n(?:\n```\n.*?```\n)?/gs;

/** The document with the current figures after each of its markers. */
export function withFigures(document: string): string {
  return document.replace(BLOCK, (_, kind: string, users?: string) => {
    const [marker, text] =
      kind === 'limits'
        ? ['limits', renderLimits()]
        : [`capacity ${users}`, renderCapacity(capacityFor(Number(users)))];
    return `<!-- ${marker} -->\n\n\`\`\`\n${text}\`\`\`\n`;
  });
}
