import { describe, expect, it } from 'vitest';
import { FIGURES } from '../../../src/bench/contest/figures.ts';
import { BenchSchema } from '../../../src/bench/contest/schema.ts';
import { renderBench } from '../../../src/bench/report/index.ts';
import { contender, ours, report, theirs } from '../../kit/bench-report.ts';

describe('JSON', () => {
  it('is what its schema says', () => {
    expect(BenchSchema.parse(JSON.parse(JSON.stringify(report())))).toEqual(report());
  });

  it('knows no other figure', () => {
    const unknown = report({ contenders: [contender('x', { speed: [1] } as never)], targets: [] });
    expect(BenchSchema.safeParse(unknown).success).toBe(false);
  });
});

describe('the table', () => {
  it('has medians, claims and notes', () => {
    const failed = contender('gunicorn', {}, { failure: 'it does not start\nlog', notes: ['a note'] });
    const lines = renderBench(report({ contenders: [theirs, failed, ours] }));
    const text = lines.map((line) => line.text).join('\n');
    expect(text).toMatch(/web-concurrency +3 +– +100/);
    expect(text).toContain('gunicorn: not measured any further: it does not start');
    expect(lines.find(({ text }) => text.startsWith('p99 of API'))?.kind).toBe('misses');
  });

  it('keeps apart what is there for its memory alone, also where that failed', () => {
    const alone = contender('ours-4', {}, { memoryOnly: true, failure: 'it does not start' });
    const lines = renderBench(report({ contenders: [ours, alone] })).map((line) => line.text);
    const headOf = (name: string) =>
      lines
        .slice(
          0,
          lines.findIndex((line) => line.startsWith(`${name} `)),
        )
        .findLast((line) => /MiB/.test(line));
    expect(headOf('ours')).toContain('visits/s');
    expect(headOf('ours-4')).toMatch(/^memory alone/);
  });

  it('has all samples on demand', () => {
    const text = renderBench(report(), true)
      .map((line) => line.text)
      .join('\n');
    expect(text).toContain(FIGURES.apiPerSecond.about);
    expect(text).toMatch(/web-concurrency +2 +90 +100 +110 +3/);
  });
});
