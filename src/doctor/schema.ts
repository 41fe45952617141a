import { z } from 'zod';
import { packageVersion } from '../base/io/package.ts';
import { GROUPS, VERDICTS } from './check.ts';
import type { Outcomes } from './facts.ts';
import { countVerdicts, type Report } from './run.ts';

/** What `webui-tune doctor --json` prints. Keys are added over time, none is taken away. */
export const DoctorSchema = z.object({
  version: z.string().describe('of webui-tune'),
  ecosystemFile: z.string().optional().describe('the file that was looked at; missing: there is none'),
  counts: z.record(z.enum(VERDICTS), z.int().nonnegative()),
  findings: z.array(
    z.object({
      check: z.string().describe('id of the check, which never changes; a check may find several things'),
      group: z.enum(GROUPS),
      title: z.string().describe('what must hold'),
      verdict: z.enum(VERDICTS),
      found: z.string().describe('what was found; with "skipped", why nothing could be'),
      why: z.string().describe('what happens to users where it is wrong'),
      mend: z.array(z.string()).describe('commands or lines to change, in order'),
      source: z.string().describe('where that is known from'),
      fixable: z.boolean().describe('whether --fix mends it'),
      fixed: z.string().optional().describe('what --fix did'),
    }),
  ),
});

export type DoctorReport = z.infer<typeof DoctorSchema>;

export function doctorReport(reports: readonly Report[], { ecosystem }: Outcomes): DoctorReport {
  return {
    version: packageVersion(),
    ...(ecosystem.state === 'known' && { ecosystemFile: ecosystem.value.path }),
    counts: { ...countVerdicts(reports) },
    findings: reports.map(({ check: { id, ...about }, verdict, found, mend, fix, fixed }) => ({
      check: id,
      ...about,
      verdict,
      found,
      mend: [...mend],
      fixable: fix !== undefined,
      ...(fixed !== undefined && { fixed }),
    })),
  };
}
