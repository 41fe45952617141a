/** PDF files: text on numbered pages, and nothing else. */
import { linesOf } from './words.ts';

/** Some 3.8 KB a page, and as much text as fits on it; `document` makes it another text. */
export function makePdf(pages: number, document = 0): Buffer<ArrayBuffer> {
  return assemble(pageTree([...Array(pages).keys()], pages, document));
}

/** The objects of a document that has `pages` pages and shows those of `order`. */
export function pageTree(order: readonly number[], pages: number, document: number): string[] {
  const kids = order.map((page) => `${4 + 2 * page} 0 R`).join(' ');
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    `<< /Type /Pages /Kids [${kids}] /Count ${order.length} >>`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>',
  ];
  for (let page = 0; page < pages; page++) {
    const rows = linesOf(document, page).map((text) => `(${text}) Tj T*`);
    const content = `BT /F1 10 Tf 14 TL 50 790 Td\n${rows.join('\n')}\nET`;
    objects.push(
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> /Contents ${5 + 2 * page} 0 R >>`,
      `<< /Length ${content.length} >>\nstream\n${content}\nendstream`,
    );
  }
  return objects;
}

/** A file of these objects. */
export function assemble(objects: string[]): Buffer<ArrayBuffer> {
  let text = '%PDF-1.4\n';
  const offsets = objects.map((body, index) => {
    const at = text.length;
    text += `${index + 1} 0 obj\n${body}\nendobj\n`;
    return at;
  });
  const entries = offsets.map((at) => `${String(at).padStart(10, '0')} 00000 n \n`);
  const table = `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${entries.join('')}`;
  return Buffer.from(
    `${text}${table}trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${text.length}\n%%EOF\n`,
    'latin1',
  );
}
