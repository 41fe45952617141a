/** What pip-audit's answer means: only a fault that can be mended fails, and what was not looked at is said aloud. */
import { expect, it } from 'vitest';
import { judge } from '../../../scripts/audit-python.ts';

const fault = (...fixes: string[]) => ({ id: 'PYSEC-1', aliases: ['CVE-1'], fix_versions: fixes });
const answer = (...dependencies: object[]) => JSON.stringify({ dependencies, fixes: [] });
const sound = { name: 'a', version: '1.0', vulns: [] };

it.each<[string, string, boolean, string]>([
  ['nothing known', answer(sound, sound), false, '2 of 2 packages looked at, 0 known faults'],
  [
    'a fault that is mended',
    answer(sound, { name: 'b', version: '1.0', vulns: [fault('1.1', '2.0')] }),
    true,
    'b 1.0: PYSEC-1, CVE-1, mended in 1.1, 2.0',
  ],
  [
    'a fault that nobody has mended',
    answer(sound, { name: 'b', version: '1.0', vulns: [fault()] }),
    false,
    'b 1.0: PYSEC-1, CVE-1, not mended yet',
  ],
  [
    'a package that PyPI does not tell about',
    answer(sound, { name: 'b', skip_reason: 'Dependency not found on PyPI' }),
    false,
    'NOT LOOKED AT: b: Dependency not found on PyPI\n1 of 2 packages looked at',
  ],
  ['nothing at all', '', false, 'NOT LOOKED AT: pip-audit gave no answer'],
  ['another answer', '{"message":"no"}', false, 'NOT LOOKED AT: pip-audit gave no answer'],
])('%s', (_, text, failed, line) => {
  const verdict = judge(text, 2);
  expect(verdict.failed).toBe(failed);
  expect(verdict.lines.join('\n')).toContain(line);
});
