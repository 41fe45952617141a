import * as z from 'zod';
import { FIGURE_IDS } from './figures.ts';

/* What `webui-tune bench --json` prints. Keys are added over time, none is taken away. */

const samples = z.array(z.number().nonnegative()).min(1);

const Contender = z.object({
  id: z.string(),
  name: z.string(),
  how: z.string().describe('the command, or how it was set up'),
  workers: z.int().positive(),
  memoryOnly: z.boolean().describe('whether its start and its memory alone were to be measured'),
  figures: z.partialRecord(z.enum(FIGURE_IDS), samples).describe('one sample a slice or round'),
  notes: z.array(z.string()).describe('what was noticed, such as a reload that was aborted'),
  failure: z.string().optional().describe('why it could not be measured any further'),
});

const Target = z.object({
  what: z.string(),
  contender: z.string(),
  baseline: z.string().optional().describe('id of the contender that it is compared with'),
  relation: z.enum(['at least', 'at most']),
  target: z.number(),
  value: z.number().optional().describe('missing: one side could not be measured'),
  unit: z.string(),
  verdict: z.enum(['holds', 'misses', 'not measured']),
});

const SweepStep = z.object({
  workers: z.int().positive(),
  perSecond: samples.describe('API requests a second'),
  p99Ms: samples,
  memoryMib: z.number().nonnegative(),
  addedSeconds: z.number().nonnegative().optional().describe('until the worker that was added serves'),
});

const Sweep = z.object({
  steps: z.array(SweepStep).min(1),
  proposal: z.object({ workers: z.int().positive(), reason: z.string() }),
});

export const BenchSchema = z.object({
  version: z.string().describe('of webui-tune'),
  taken: z.iso.datetime(),
  minutes: z.number().nonnegative().describe('how long it took'),
  machine: z.object({
    cpu: z.string(),
    cores: z.number().positive().describe('logical CPUs that may be used'),
    memoryBytes: z.int().positive(),
    kernel: z.string(),
    node: z.string(),
    python: z.string(),
    openWebui: z.string(),
    services: z.string().describe('what stood beside it'),
    busyAtStart: z.number().nonnegative().describe('load average of the last minute before it began'),
  }),
  options: z.object({
    workers: z.int().positive(),
    rounds: z.int().positive(),
    seconds: z.number().positive().describe('of each slice of load'),
    connections: z.int().positive(),
  }),
  contenders: z.array(Contender),
  targets: z.array(Target),
  sweep: Sweep.optional(),
});

export type BenchReport = z.infer<typeof BenchSchema>;
export type ContenderReport = z.infer<typeof Contender>;
export type TargetReport = z.infer<typeof Target>;
export type SweepReport = z.infer<typeof Sweep>;
export type SweepStepReport = z.infer<typeof SweepStep>;
