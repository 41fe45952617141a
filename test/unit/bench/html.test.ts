import { describe, expect, it } from 'vitest';
import { FIGURE_IDS } from '../../../src/bench/contest/figures.ts';
import { renderBenchHtml } from '../../../src/bench/report/html/index.ts';
import { contender, report } from '../../kit/bench-report.ts';

const HOSTILE = `</title></svg><script>alert("1")</script><img src=x onerror='a'>&\u2028`;

describe('the page', () => {
  const all = Object.fromEntries(FIGURE_IDS.map((figure) => [figure, [1, 2, 3]]));
  const steps = [1, 2].map((workers) => ({
    workers,
    perSecond: [90 * workers],
    p99Ms: [10],
    memoryMib: 300,
  }));
  const page = renderBenchHtml(
    report({
      contenders: [
        contender('ours', all, { name: HOSTILE, how: HOSTILE, notes: [HOSTILE] }),
        contender('ours-4', { memoryMib: [100] }, { name: HOSTILE, memoryOnly: true }),
        contender('serve', {}, { name: HOSTILE, failure: HOSTILE }),
      ],
      machine: { ...report().machine, cpu: HOSTILE, services: HOSTILE, kernel: HOSTILE, openWebui: HOSTILE },
      sweep: { steps, proposal: { workers: 2, reason: HOSTILE } },
    }),
  );

  it('shows text as text', () => {
    expect(page).not.toMatch(/<script|<img|onerror='/i);
    expect(page).toContain('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;');
  });

  it('has a chart for each figure, in two widths', () => {
    // Eleven figures beside each other; memory once more alone, where the start is missing; and the curve.
    expect(page.match(/<svg /g)).toHaveLength(2 * 13);
  });

  it('asks the network for nothing, and may not', () => {
    const tags = page.match(/<[a-z][^>]*>/g) ?? [];
    // Names of attributes, and where a style points to; not what is said in one.
    const links = tags.flatMap(
      (tag) =>
        tag
          .replace(/="[^"]*"/g, (value) => (value.includes('url(') ? value : '='))
          .match(/\b(?:src|href|srcset|data)=|url\([^)]*\)/g) ?? [],
    );
    expect(links.filter((link) => !link.startsWith('url(#') && link !== 'href=')).toEqual([]);
    expect([...page.matchAll(/ href="([^"]*)"/g)].map(([, link]) => link)).toEqual(['#notes']);
    expect(page.slice(page.indexOf('<style>'), page.indexOf('</style>'))).not.toMatch(/url\(|@import/);
    expect(page).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`);
  });

  it('follows the theme of whoever reads it', () => {
    expect(page).toContain('prefers-color-scheme: dark');
    // Charts have the page's colours, and none of their own.
    const painted = page.slice(page.indexOf('</style>')).replace(/<clipPath.*?<\/clipPath>/gs, '');
    expect(painted.match(/(?:fill|stroke)="(?:#|rgb)[^"]*"/g)).toBeNull();
  });
});
