import { readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { systemCode } from '../../base/errors.ts';
import { namesIn } from '../../base/io/read.ts';
import { Decoder, encode } from '../supervisor/frames.ts';
import {
  type InstanceRecord,
  instanceOfRecord,
  parseSocketName,
  recordName,
  type SupervisorReport,
} from '../supervisor/report.ts';
import { CAUSES } from '../supervisor/state.ts';

/** Milliseconds that a supervisor may take; it is idle, and needs one. A scrape by Prometheus may take 10 s. */
const TIMEOUT = 500;

const Report = z.object({
  pid: z.number(),
  level: z.string(),
  memoryLimit: z.number().exactOptional(),
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
    }),
  ),
}) satisfies z.ZodType<SupervisorReport>;

const because = { cause: z.enum(CAUSES), detail: z.string() };

const RecordFile = z.object({
  since: z.number(),
  serving: z.object({ worker: z.number(), supervisor: z.string() }).exactOptional(),
  left: z.object({ at: z.number(), ...because }).exactOptional(),
  requests: z.number(),
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

/** A supervisor that lives. */
export interface Supervisor {
  instance: string;
  pid: number;
  /** Undefined: it does not answer, because it hangs or is of an earlier version of ours. */
  report: SupervisorReport | undefined;
}

/** Asks all supervisors of a cluster at once. */
export async function askSupervisors(controlSocket: string): Promise<Supervisor[]> {
  const folder = dirname(controlSocket);
  const living = namesIn(folder).flatMap((name) => {
    const parsed = parseSocketName(name);
    return parsed && isAlive(parsed.pid) ? [{ ...parsed, path: join(folder, name) }] : [];
  });
  const answers = await Promise.all(
    living.map(async ({ path, ...supervisor }) => ({ ...supervisor, report: await ask(path) })),
  );
  return answers.flatMap(({ report, ...supervisor }) =>
    report === 'nobody' ? [] : [{ ...supervisor, report }],
  );
}

/** What instances have kept, also those that have no supervisor now, and when: milliseconds since 1970. */
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
        return []; // of another version of ours; the supervisor begins anew
      }
    }),
  );
}

/** `nobody`: the socket is of one that was killed, and its pid is another's now. */
function ask(path: string): Promise<SupervisorReport | 'nobody' | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const decoder = new Decoder();
    const finish = (report: SupervisorReport | 'nobody' | undefined) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(report);
    };
    const timer = setTimeout(() => finish(undefined), TIMEOUT);
    socket.on('error', (error) => {
      const code = systemCode(error) ?? '';
      finish(['ECONNREFUSED', 'ENOENT'].includes(code) ? 'nobody' : undefined);
    });
    socket.on('close', () => finish(undefined));
    socket.on('data', (data) => {
      try {
        const [frame] = decoder.feed(data);
        if (frame) finish(Report.parse(frame));
      } catch {
        finish(undefined);
      }
    });
    socket.write(encode({ role: 'watch' }));
  });
}

/** Whether there is such a process; it may have the pid of a supervisor that was killed, and then does not listen. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}
