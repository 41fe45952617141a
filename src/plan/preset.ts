import * as z from 'zod';
import { parsePercent, parseSize } from '../base/units.ts';
import { MOST_WORKERS, optionsWith, schemasOf } from './options.ts';

const Size = z.union([z.string(), z.number()]).transform((value, context) => {
  const bytes = parseSize(String(value));
  if (bytes !== undefined) return bytes;
  context.addIssue({ code: 'custom', message: 'not a size such as 512MiB' });
  return z.NEVER;
});

const Percent = z.string().transform((value, context) => {
  const share = parsePercent(value);
  if (share !== undefined) return share;
  context.addIssue({ code: 'custom', message: 'not a percentage such as 10%' });
  return z.NEVER;
});

/** Settings that the tuner itself decides. */
const NOT_FOR_PRESETS = ['DATA_DIR', 'STATIC_DIR', 'WEB_CONCURRENCY', 'UVICORN_WORKERS', 'FROM_INIT_PY'];

const SettingName = z
  .string()
  .regex(/^[A-Z][A-Z0-9_]*$/, 'not the name of a setting')
  .refine((name) => !NOT_FOR_PRESETS.includes(name), 'not a setting that a preset can have');

/** YAML's true is Open WebUI's `True`. */
const SettingValue = z
  .union([z.string(), z.number(), z.boolean()])
  .transform((value) => (typeof value === 'boolean' ? (value ? 'True' : 'False') : String(value)));

/** A preset. Sizes are read as bytes, percentages as shares from 0 to 1. */
export const PresetSchema = z.strictObject({
  description: z.string().default(''),
  workers: z.strictObject({
    /** Workers for each physical core. */
    perCore: z.number().positive().max(4),
    /** Never more than this, however large the machine is; undefined: no such bound. */
    max: z.int().positive().max(MOST_WORKERS).exactOptional(),
    /** So many run at least, and as many more as the load asks for; undefined: always as many as are planned. */
    min: z.int().positive().max(MOST_WORKERS).exactOptional(),
  }),
  memory: z.strictObject({
    /** Share of the available memory that stays free, within the two bounds below. */
    reserve: Percent,
    reserveMin: Size,
    reserveMax: Size,
    /** How much a worker may grow beyond its size after its first requests. */
    growth: Size,
    /** The largest limit of private memory at which a worker is replaced. */
    workerLimit: Size,
  }),
  /** Seconds that a draining worker may take to finish its answers. */
  drainSeconds: z.int().positive().max(3600),
  /**
   * Seconds that a worker's event loop may be blocked before the worker is replaced; 0: never. With less than 5 s, a worker
   * that parses a large answer would count as hanging.
   */
  hangSeconds: z.union([z.literal(0), z.int().min(5).max(3600)], '0 (never) or 5 to 3600'),
  ...schemasOf(optionsWith('inPresets')),
  /** What compresses answers: the workers, or a reverse proxy in front of them. */
  compression: z.enum(['app', 'proxy']),
  /** Settings of Open WebUI, by name. */
  settings: z.record(SettingName, SettingValue).default({}),
});

/** A preset, merged with those that it extends. */
export interface Preset extends z.infer<typeof PresetSchema> {
  /** As requested: a name, or a file. */
  name: string;
}

const { workers, memory, ...single } = PresetSchema.shape;

/** The contents of one file; what it lacks comes from the preset that it extends. */
export const PresetFileSchema = z
  .strictObject({
    /** A preset of the package or a file; undefined: `default`. */
    extends: z.string(),
    ...single,
    workers: workers.partial(),
    memory: memory.partial(),
  })
  .partial();

export type PresetFile = z.input<typeof PresetFileSchema>;
