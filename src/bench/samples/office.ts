/** Office Open XML (ECMA-376): the fewest parts with which Open WebUI's loaders read a file. */
import { linesOf } from './words.ts';
import { zip } from './zip.ts';

const XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>';
const PACKAGE = 'http://schemas.openxmlformats.org/package/2006';
const OFFICE = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';
const DRAWING = 'http://schemas.openxmlformats.org/drawingml/2006/main';
const WORD = 'http://schemas.openxmlformats.org/wordprocessingml/2006/main';
const SHEET = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main';
const SLIDES = 'http://schemas.openxmlformats.org/presentationml/2006/main';
const TYPE = 'application/vnd.openxmlformats-officedocument';

export const OFFICE_TYPES = {
  docx: `${TYPE}.wordprocessingml.document`,
  xlsx: `${TYPE}.spreadsheetml.sheet`,
  pptx: `${TYPE}.presentationml.presentation`,
} as const;

type Parts = Record<string, string>;

/** The types of all parts, by path. */
function types(parts: Record<string, string>): Parts {
  const overrides = Object.entries(parts).map(
    ([path, type]) => `<Override PartName="/${path}" ContentType="${TYPE}.${type}+xml"/>`,
  );
  const rels = `<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>`;
  return {
    '[Content_Types].xml': `${XML}<Types xmlns="${PACKAGE}/content-types">${rels}${overrides.join('')}</Types>`,
  };
}

/** What a part refers to: kinds and paths, numbered from rId1. */
function relations(path: string, targets: readonly (readonly [kind: string, target: string])[]): Parts {
  const all = targets.map(
    ([kind, target], index) =>
      `<Relationship Id="rId${index + 1}" Type="${OFFICE}/${kind}" Target="${target}"/>`,
  );
  return { [path]: `${XML}<Relationships xmlns="${PACKAGE}/relationships">${all.join('')}</Relationships>` };
}

/** A document of these paragraphs, in its own markup. */
export function docxOf(body: string): Buffer<ArrayBuffer> {
  return zip({
    ...types({ 'word/document.xml': 'wordprocessingml.document.main' }),
    ...relations('_rels/.rels', [['officeDocument', 'word/document.xml']]),
    'word/document.xml': `${XML}<w:document xmlns:w="${WORD}"><w:body>${body}</w:body></w:document>`,
  });
}

export function makeDocx(pages: number, document = 0): Buffer<ArrayBuffer> {
  const lines = Array.from({ length: pages }, (_, page) => linesOf(document, page)).flat();
  return docxOf(lines.map((text) => `<w:p><w:r><w:t>${text}</w:t></w:r></w:p>`).join(''));
}

/** A row for each line, with a cell for each word. */
export function makeXlsx(pages: number, document = 0): Buffer<ArrayBuffer> {
  const lines = Array.from({ length: pages }, (_, page) => linesOf(document, page)).flat();
  const cell = (text: string) => `<c t="inlineStr"><is><t>${text}</t></is></c>`;
  const rows = lines.map((text) => `<row>${text.split(' ').map(cell).join('')}</row>`).join('');
  const main = 'spreadsheetml.sheet.main';
  return zip({
    ...types({ 'xl/workbook.xml': main, 'xl/worksheets/sheet1.xml': 'spreadsheetml.worksheet' }),
    ...relations('_rels/.rels', [['officeDocument', 'xl/workbook.xml']]),
    ...relations('xl/_rels/workbook.xml.rels', [['worksheet', 'worksheets/sheet1.xml']]),
    'xl/workbook.xml': `${XML}<workbook xmlns="${SHEET}" xmlns:r="${OFFICE}"><sheets><sheet name="Words" sheetId="1" r:id="rId1"/></sheets></workbook>`,
    'xl/worksheets/sheet1.xml': `${XML}<worksheet xmlns="${SHEET}"><sheetData>${rows}</sheetData></worksheet>`,
  });
}

/** A slide for each page, with a paragraph for each line. */
export function makePptx(pages: number, document = 0): Buffer<ArrayBuffer> {
  const numbers = Array.from({ length: pages }, (_, page) => page);
  const pathOf = (page: number) => `slides/slide${page + 1}.xml`;
  const slide = (page: number) => {
    const text = linesOf(document, page).map((one) => `<a:p><a:r><a:t>${one}</a:t></a:r></a:p>`);
    const about = '<p:nvSpPr><p:cNvPr id="2" name="Text"/><p:cNvSpPr/><p:nvPr/></p:nvSpPr><p:spPr/>';
    const tree = '<p:nvGrpSpPr><p:cNvPr id="1" name=""/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/>';
    const shape = `<p:sp>${about}<p:txBody><a:bodyPr/>${text.join('')}</p:txBody></p:sp>`;
    return `${XML}<p:sld xmlns:p="${SLIDES}" xmlns:a="${DRAWING}"><p:cSld><p:spTree>${tree}${shape}</p:spTree></p:cSld></p:sld>`;
  };
  const ids = numbers.map((page) => `<p:sldId id="${256 + page}" r:id="rId${page + 1}"/>`).join('');
  const kinds = numbers.map((page) => [`ppt/${pathOf(page)}`, 'presentationml.slide'] as const);
  return zip({
    ...types({
      'ppt/presentation.xml': 'presentationml.presentation.main',
      ...Object.fromEntries(kinds),
    }),
    ...relations('_rels/.rels', [['officeDocument', 'ppt/presentation.xml']]),
    ...relations(
      'ppt/_rels/presentation.xml.rels',
      numbers.map((page) => ['slide', pathOf(page)]),
    ),
    'ppt/presentation.xml': `${XML}<p:presentation xmlns:p="${SLIDES}" xmlns:r="${OFFICE}"><p:sldIdLst>${ids}</p:sldIdLst></p:presentation>`,
    ...Object.fromEntries(numbers.map((page) => [`ppt/${pathOf(page)}`, slide(page)])),
  });
}
