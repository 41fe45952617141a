import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { environments } from '../../../scripts/environments.mjs';
import { documentsOf } from '../../../src/bench/samples/index.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

/** Checks the archive of each file, and that its parts are XML; prints how often each has the word. */
const READ = `
import sys, zipfile, xml.etree.ElementTree as tree
for path in sys.argv[1:]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        print(sum("".join(tree.fromstring(archive.read(name)).itertext()).count("harbour") for name in archive.namelist()))
`;

describe('documents of the bench', () => {
  const all = documentsOf([1, 3]);

  it('are of six formats, and as long as they are asked to be', () => {
    expect(all.map(({ name }) => name)).toEqual(
      ['1', '3'].flatMap((pages) =>
        ['pdf', 'docx', 'xlsx', 'pptx', 'html', 'txt'].map((format) => `${pages}-pages.${format}`),
      ),
    );
    const plain = all.filter(({ name }) => /txt|html|pdf/.test(name));
    for (const [index, { content }] of plain.slice(3).entries())
      expect(content.length).toBeGreaterThan(2.5 * (plain[index]?.content.length ?? 0));
  });

  it('have no line in common', () => {
    const lines = all
      .filter(({ name }) => name.endsWith('.txt'))
      .flatMap(({ content }) => content.toString().trim().split('\n'));
    expect(new Set(lines).size).toBe(4 * 44);
  });

  it('are archives of XML with all of their words, where they are of an office', () => {
    const folder = temporaryFolder();
    const paths = all
      .filter(({ name }) => /docx|xlsx|pptx/.test(name))
      .map(({ name, content }) => {
        writeFileSync(join(folder, name), content);
        return join(folder, name);
      });
    const counts = execFileSync(environments().python.command, ['-c', READ, ...paths], { encoding: 'utf8' });
    const words = (pages: number) =>
      all
        .find(({ name }) => name === `${pages}-pages.txt`)
        ?.content.toString()
        .split('harbour').length ?? 0;
    const [one, three] = [words(1) - 1, words(3) - 1];
    expect(counts.trim().split('\n').map(Number)).toEqual([one, one, one, three, three, three]);
  });
});
