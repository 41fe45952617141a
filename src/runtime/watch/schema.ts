import * as z from 'zod';
import { RUNTIMES } from '../contract.ts';
import { SCALE_CAUSES } from '../scale/decide.ts';
import { CAUSES } from '../supervisor/state.ts';
import { WORKER_STATES } from './sample.ts';

const bytes = z.int().nonnegative();
const count = z.int().nonnegative();
const pid = z.int().positive();
const time = z.iso.datetime();
const percent = z.number().nonnegative().describe('of one core');
const Cause = z.enum(CAUSES);

const Memory = z.object({
  privateBytes: bytes.describe('pages that no other process has: what would be free without it'),
  sharedBytes: bytes.describe('pages that other processes have too'),
  proportionalBytes: bytes.describe('PSS: shared pages divided among those that share them'),
  residentBytes: bytes.describe('RSS: what PM2 and ps show, with all shared pages'),
});

const Process = z.object({
  pid,
  startedAt: time,
  cpuSeconds: z.number().nonnegative().describe('since its start'),
  cpuPercent: percent.optional(),
  memory: Memory.optional().describe('missing where it is another user’s'),
});

const Restart = z.object({
  at: time.describe('when the new worker served'),
  instance: z.string(),
  cause: Cause,
  detail: z.string().describe('the same in words'),
  from: pid.optional().describe('the worker before'),
  to: pid,
  gapSeconds: z
    .number()
    .nonnegative()
    .optional()
    .describe('how long no worker of the instance served; missing: one did all the time, or nobody knows'),
});

/**
 * What `webui-tune top --json` prints. What is not known is missing: with `--runtime uvicorn`, all that Open WebUI's own
 * workers do not say. Keys are added over time, none is taken away.
 */
export const TopSchema = z.object({
  at: time,
  seconds: z
    .number()
    .nonnegative()
    .describe('what rates and percentages are taken over; 0: they are missing'),
  controlSocket: z.string(),
  runtime: z.enum(RUNTIMES),
  openWebui: z.string().optional().describe('version'),
  preload: z.string().optional().describe('what the workers share: full, lean, libraries or none'),
  generations: z.array(z.string()).describe('of the workers that serve; two while one replaces the other'),
  parent: Process.optional().describe('the preload process, or the parent of uvicorn’s workers'),
  documents: z
    .object({
      processes: z.array(Process).describe('one for each document that is being processed'),
      waiting: count.describe('documents that wait for their turn'),
    })
    .optional()
    .describe('missing: the preload process does not run, or there is none'),
  workers: z.array(
    z.object({
      instance: z
        .string()
        .describe('number of the instance in PM2 or systemd; a reload has two workers of one'),
      state: z.enum(WORKER_STATES),
      process: Process.optional(),
      memoryLimitBytes: bytes.optional().describe('of private memory, at which it is replaced'),
      generation: z.string().optional(),
      requests: count.optional().describe('HTTP requests since its start'),
      requestsPerSecond: z.number().nonnegative().optional(),
      activeRequests: count.optional(),
      webSockets: count.optional(),
      generatingAnswers: count.optional(),
      eventLoopLagMs: z
        .number()
        .nonnegative()
        .optional()
        .describe('the longest that its event loop has stood still in the last 15 s'),
      tokens: count.optional().describe('of chats, streamed since its start; missing with --no-shortcuts'),
      tokensPerSecond: z.number().nonnegative().optional(),
      heardAt: time.optional().describe('when its event loop last turned, and the counts are from'),
    }),
  ),
  instances: z
    .array(
      z.object({
        instance: z.string(),
        requests: count.describe('HTTP requests, those of workers that have ended included'),
        restarts: z.partialRecord(Cause, count).describe('workers that served in another’s place, by cause'),
        failedStarts: count.describe('workers that ended before they served'),
        lastFailure: z.object({ at: time, detail: z.string() }).optional(),
        since: time.optional().describe('when the counting began'),
        down: z
          .object({ at: time.optional(), cause: Cause, detail: z.string() })
          .optional()
          .describe('why no worker serves'),
      }),
    )
    .describe('empty with --runtime uvicorn'),
  scale: z
    .object({
      least: count,
      most: count,
      counts: z
        .partialRecord(z.enum(SCALE_CAUSES), count)
        .describe('changes of the number of workers, by cause'),
      changes: z
        .array(
          z.object({
            at: time,
            from: count,
            to: count,
            cause: z.enum(SCALE_CAUSES),
            detail: z.string().describe('the same in words'),
          }),
        )
        .describe('the last 20, the newest first'),
      holding: z.string().optional().describe('why there is no change at this moment, whatever the load is'),
    })
    .optional()
    .describe('the range within which workers come and go; missing: their number is fixed'),
  restarts: z.array(Restart).describe('the last 20 of each instance, the newest first'),
  total: z.object({
    workers: count.describe('that serve'),
    proportionalBytes: bytes.describe('memory of all processes of the cluster, services aside'),
    residentBytes: bytes.describe('the same as PM2 and ps add it up: shared pages once for each process'),
    cpuPercent: percent.optional(),
    requests: count.optional(),
    requestsPerSecond: z.number().nonnegative().optional(),
    tokensPerSecond: z.number().nonnegative().optional(),
    activeRequests: count.optional(),
    webSockets: count.optional(),
    generatingAnswers: count.optional(),
    restarts: count.optional(),
  }),
});

export type TopReport = z.infer<typeof TopSchema>;
export type TopWorker = TopReport['workers'][number];
