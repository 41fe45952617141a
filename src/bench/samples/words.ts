/** Lines on a page. */
export const LINES = 44;

const WORDS = [
  'harbour',
  'lantern',
  'meadow',
  'granite',
  'willow',
  'copper',
  'orchard',
  'thistle',
  'ember',
  'raven',
];

/** A line of some 80 characters that no other page or document has. */
export function line(document: number, page: number, row: number): string {
  const words = Array.from({ length: 9 }, (_, i) => WORDS[(page * 7 + row * 3 + i * i) % WORDS.length]);
  return `${document}.${page}.${row} ${words.join(' ')}`;
}

export function linesOf(document: number, page: number): string[] {
  return Array.from({ length: LINES }, (_, row) => line(document, page, row));
}
