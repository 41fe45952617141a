import { describe, expect, it } from 'vitest';
import { makePlan } from '../../../src/plan/index.ts';
import { alignReport, reportOf } from '../../../src/render/report.ts';
import { inputOf } from '../../kit/inputs.ts';

describe('the report', () => {
  const settings = new Map([
    ['OPENAI_API_KEY', { value: 'hunter2', source: 'environment' as const, secret: true }],
    ['WEBUI_NAME', { value: 'a\u001b[2Jb\nc', source: 'env file' as const, secret: false }],
  ]);
  const lines = alignReport(reportOf(makePlan(inputOf({ settings, warnings: ['look'] })), ['note']));

  it('says every number with its reason', () => {
    expect(lines.join('\n')).toMatch(/^ {2}workers +4 +cores: 4 physical cores \(8 hyper-threads\)$/m);
    expect(lines.join('\n')).toMatch(
      /^ {2}memory needed +950 MiB +510 MiB for the full preload \+ 4 × 110 MiB, 35 MiB of it for the embedding model$/m,
    );
    expect(lines).toEqual(expect.arrayContaining(['look', 'note']));
  });

  it('says where each setting comes from', () => {
    expect(lines.join('\n')).toMatch(/^ {2}OPENAI_API_KEY +\(secret\) +environment$/m);
    expect(lines.join('\n')).toMatch(/^ {2}WEBSOCKET_MANAGER +redis +computed: /m);
  });

  it('shows no secret, and obeys no escape sequence', () => {
    expect(lines.join('\n')).not.toContain('hunter2');
    expect(lines.join('')).not.toMatch(/\p{Cc}/u);
  });

  it('is aligned', () => {
    const rows = lines.slice(1, 8);
    const columns = rows.map((row) => row.search(/\S {2,}\S/));
    expect(rows).toHaveLength(7);
    expect(Math.max(...columns)).toBeLessThan(30);
    const reasons = rows.map((row) => /^ {2}\S+(?: \S+)* {2,}\S+(?: \S+)* {2,}/.exec(row)?.[0].length);
    expect(new Set(reasons).size).toBe(1);
  });
});
