/** Documents of all kinds that people upload, of any length. */
import { makeDocx, makePptx, makeXlsx, OFFICE_TYPES } from './office.ts';
import { makePdf } from './pdf.ts';
import { linesOf } from './words.ts';

export interface Document {
  name: string;
  type: string;
  content: Buffer<ArrayBuffer>;
}

interface Format {
  type: string;
  make(pages: number, document: number): Buffer<ArrayBuffer>;
}

function makeText(pages: number, document: number): Buffer<ArrayBuffer> {
  const lines = Array.from({ length: pages }, (_, page) => linesOf(document, page)).flat();
  return Buffer.from(`${lines.join('\n')}\n`);
}

function makeHtml(pages: number, document: number): Buffer<ArrayBuffer> {
  const paragraphs = (page: number) => linesOf(document, page).map((text) => `<p>${text}</p>\n`);
  const body = Array.from({ length: pages }, (_, page) => `<h2>${page}</h2>\n${paragraphs(page).join('')}`);
  return Buffer.from(`<!doctype html><html><title>Words</title><body>${body.join('')}</body></html>\n`);
}

const FORMATS = {
  pdf: { type: 'application/pdf', make: makePdf },
  docx: { type: OFFICE_TYPES.docx, make: makeDocx },
  xlsx: { type: OFFICE_TYPES.xlsx, make: makeXlsx },
  pptx: { type: OFFICE_TYPES.pptx, make: makePptx },
  html: { type: 'text/html', make: makeHtml },
  txt: { type: 'text/plain', make: makeText },
} as const satisfies Record<string, Format>;

/** One of each format for each number of pages; no two have a line in common. */
export function documentsOf(pages: readonly number[]): Document[] {
  const all = pages.flatMap((count) =>
    Object.entries(FORMATS).map(([format, { type, make }]) => ({ count, format, type, make })),
  );
  return all.map(({ count, format, type, make }, index) => ({
    name: `${count}-pages.${format}`,
    type,
    content: make(count, index + 1),
  }));
}
