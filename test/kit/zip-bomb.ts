/** A DOCX of some 200 KB whose text is 200 MB of markup. */
import { docxOf } from '../../src/bench/samples/office.ts';

const PARAGRAPH = '<w:p><w:r><w:t>boom</w:t></w:r></w:p>';

export function makeZipBomb(bytes = 200_000_000): Buffer<ArrayBuffer> {
  return docxOf(PARAGRAPH.repeat(Math.ceil(bytes / PARAGRAPH.length)));
}
