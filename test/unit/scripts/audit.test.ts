/** What npm's answer about known faults means: only a serious one fails, and no answer is said aloud. */
import { expect, it } from 'vitest';
import { judge } from '../../../scripts/audit.mjs';

const answer = (...severities: string[]) =>
  JSON.stringify({
    vulnerabilities: Object.fromEntries(
      severities.map((severity, index) => [`p${index}`, { name: `p${index}`, severity, range: '<1.0.0' }]),
    ),
  });

it.each<[string, string, boolean, string]>([
  ['nothing known', answer(), false, '0 packages with known faults, 0 of them high or critical'],
  ['moderate faults', answer('moderate'), false, '1 packages with known faults, 0 of them high or critical'],
  ['a high one', answer('low', 'high'), true, 'high: p1 <1.0.0'],
  ['a critical one', answer('critical'), true, 'critical: p0 <1.0.0'],
  ['a refusal', '{"message":"405 Method Not Allowed"}', false, 'NOT LOOKED AT: the registry'],
  ['nothing at all', '', false, 'NOT LOOKED AT: npm audit gave no answer'],
])('%s', (_, text, failed, line) => {
  const verdict = judge(text);
  expect(verdict.failed).toBe(failed);
  expect(verdict.lines.join('\n')).toContain(line);
});
