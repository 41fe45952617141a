import { capacityFor } from './capacity.ts';
import { renderCapacity } from './table.ts';

/** A marker, and the block below it that is generated. */
const BLOCK = /<!-- capacity (\d+) -->\n(?:\n```\n.*?```\n)?/gs;

/** The document with the figures of today after each of its markers. */
export function withFigures(document: string): string {
  return document.replace(
    BLOCK,
    (_, users: string) =>
      `<!-- capacity ${users} -->\n\n\`\`\`\n${renderCapacity(capacityFor(Number(users)))}\`\`\`\n`,
  );
}
