import { capacityFor } from './capacity.ts';
import { renderCapacity, renderCosts, renderLimits } from './table.ts';

/** A marker, and the generated block below it. */
const BLOCK = /<!-- (capacity|limits|costs)(?: (\d+))? -->\n(?:\n```\n.*?```\n)?/gs;

/** The document with the current figures after each of its markers. */
export function withFigures(document: string): string {
  return document.replace(BLOCK, (_, kind: string, users?: string) => {
    if (kind === 'capacity') return block(`capacity ${users}`, renderCapacity(capacityFor(Number(users))));
    return block(kind, kind === 'limits' ? renderLimits() : renderCosts());
  });
}

function block(marker: string, text: string): string {
  return `<!-- ${marker} -->\n\n\`\`\`\n${text}\`\`\`\n`;
}
