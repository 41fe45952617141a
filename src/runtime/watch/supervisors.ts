import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { namesIn } from '../../base/io/read.ts';
import { type Durations, parseDurations } from '../supervisor/durations.ts';
import {
  type InstanceRecord,
  instanceOfRecord,
  recordName,
  type SupervisorReport,
} from '../supervisor/report.ts';
import { CAUSES } from '../supervisor/state.ts';
import { askAll } from './ask.ts';

const durations = z.unknown().transform((told): Durations => parseDurations(told) ?? {});

const Report = z.object({
  pid: z.number(),
  level: z.string(),
  memoryLimit: z.number().exactOptional(),
  linked: z.string().exactOptional(),
  workers: z.array(
    z.object({
      pid: z.number().exactOptional(),
      phase: z.enum(['requested', 'booting', 'serving', 'draining', 'leaving']),
      hangs: z.boolean(),
      generation: z.string(),
      version: z.string(),
      heardAt: z.number().exactOptional(),
      requests: z.number().exactOptional(),
      active: z.number().exactOptional(),
      sockets: z.number().exactOptional(),
      generating: z.number().exactOptional(),
      lag: z.number().exactOptional(),
      tokens: z.number().exactOptional(),
      durations: durations.exactOptional(),
    }),
  ),
}) satisfies z.ZodType<SupervisorReport>;

const because = { cause: z.enum(CAUSES), detail: z.string() };

const RecordFile = z.object({
  since: z.number(),
  serving: z.object({ worker: z.number(), supervisor: z.string() }).exactOptional(),
  left: z.object({ at: z.number(), ...because }).exactOptional(),
  spare: z.boolean().exactOptional(),
  requests: z.number(),
  durations: durations.exactOptional(),
  restarts: z.partialRecord(z.enum(CAUSES), z.number()),
  failedStarts: z.number(),
  lastFailure: z.object({ at: z.number(), detail: z.string() }).exactOptional(),
  recent: z.array(
    z.object({
      at: z.number(),
      ...because,
      from: z.number().exactOptional(),
      to: z.number(),
      gap: z.number().exactOptional(),
    }),
  ),
}) satisfies z.ZodType<InstanceRecord>;

/** A living supervisor. */
export interface Supervisor {
  instance: string;
  pid: number;
  /** Undefined where it does not answer: it hangs, or is of an earlier version of ours. */
  report: SupervisorReport | undefined;
}

/** Asks all supervisors of a cluster at once. */
export async function askSupervisors(controlSocket: string): Promise<Supervisor[]> {
  const answers = await askAll(dirname(controlSocket));
  return answers.map(({ frame, ...supervisor }) => ({
    ...supervisor,
    report: frame && Report.safeParse(frame).data,
  }));
}

/** Records of all instances, including those without a supervisor now. `at`: when it was written, milliseconds since 1970. */
export function readRecords(controlSocket: string): Map<string, { record: InstanceRecord; at: number }> {
  const folder = dirname(controlSocket);
  return new Map(
    namesIn(folder).flatMap((name) => {
      const instance = instanceOfRecord(name);
      if (instance === undefined) return [];
      try {
        const path = join(folder, recordName(instance));
        const record = RecordFile.parse(JSON.parse(readFileSync(path, 'utf8')));
        return [[instance, { record, at: statSync(path).mtimeMs }]];
      } catch {
        return []; // another version of ours wrote it; the supervisor begins anew
      }
    }),
  );
}
