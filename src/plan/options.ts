import * as z from 'zod';
import { parseMemory } from '../base/units.ts';
import { ENV, PRELOAD_CHOICES, RUNTIMES } from '../runtime/contract.ts';
import type { Places } from './places.ts';

/** More workers than this are taken for a typing error. */
export const MOST_WORKERS = 1024;

/** The most CPUs that Linux supports (NR_CPUS). */
const MOST_CPUS = 8192;

export const MOST_PORT = 65_535;

/** More documents at once than this are taken for a typing error. */
const MOST_DOCUMENTS = 256;

const WorkerCount = z.int().min(1).max(MOST_WORKERS);
const WorkerRange = z.string().refine((text) => parseRange(text) !== undefined);
const Port = z.int().min(1).max(MOST_PORT);

/** Everything about an option: all code that reads, remembers or writes options uses this table. */
interface OptionRow {
  /** In commander's notation. `--no-…` is a switch: on unless the flag is given; `up` has a flag that undoes it. */
  flag: `--${string}`;
  /** `PRESETS` stands for the names of the package's presets. */
  help: string;
  /** The value. Reads the text of the flag and of the variable, up.json and presets. */
  schema: z.ZodType<string | number | boolean>;
  /** What an error says it expects. Undefined: any text is valid, or the schema lists the choices. */
  expected?: string;
  /** `up` remembers the value until another one is given. */
  remembered?: true;
  /** Whether a value is a path: `up` remembers it as an absolute path, which means the same in every folder. */
  isPath?: (text: string) => boolean;
  /** A preset may set it, under the same name. The flag wins. */
  inPresets?: true;
  /** Variable of the preload process that carries the value; not set for a switch that is off. */
  variable?: string;
  /** The text of the variable, from the plan's value; default: the value itself. */
  write?: (value: unknown, places: Places) => string | undefined;
  /** For every switch, and only for switches: the reason in the report. */
  reason?: (isOn: boolean, places: Places) => string;
}

/**
 * The options of every command that makes a plan, in the order of `--help`. To add one, add a row and its use; if it has a
 * variable, add its name to `ENV`; if presets may set it, add its value to presets/default.yaml.
 */
export const OPTIONS = {
  workers: {
    flag: '--workers <n|range|auto>',
    help: 'number of workers (auto: one for each physical core); 1..4: as the load asks for',
    schema: z.union([WorkerCount, z.literal('auto'), WorkerRange]),
    expected: `auto, a number from 1 to ${MOST_WORKERS}, or a range such as 1..4`,
    remembered: true,
  },
  /** A size or a percentage, such as `2GiB` or `50%`. */
  memory: {
    flag: '--memory <size|percent>',
    help: 'memory that Open WebUI and its services may use: 4GiB, 50%',
    schema: z.string().refine((text) => parseMemory(text) !== undefined),
    expected: 'a size such as 4GiB, or a percentage such as 50%',
    remembered: true,
  },
  /** Cores of another machine, or of a part of this one; 1.5 is a quota of one and a half cores. */
  cpus: {
    flag: '--cpus <n>',
    help: 'plan for this number of cores (with --memory: for another machine)',
    schema: z.number().positive().max(MOST_CPUS),
    expected: `a number of cores such as 4 or 1.5, at most ${MOST_CPUS}`,
  },
  /** Folder with the proc/ and sys/ of another machine: the plan then asks nothing of this one, and writes nothing. */
  root: {
    flag: '--root <dir>',
    help: 'plan for the machine whose proc/ and sys/ are in this folder; write nothing',
    schema: z.string(),
  },
  host: {
    flag: '--host <address>',
    help: 'address to listen on (default: 127.0.0.1, this machine only)',
    schema: z.string().regex(/^[\w.:%[\]-]+$/),
    expected: 'an address or a host name',
    remembered: true,
    variable: ENV.host,
  },
  port: {
    flag: '--port <port>',
    help: 'port to listen on (default: 8080)',
    schema: Port,
    expected: `a port from 1 to ${MOST_PORT}`,
    remembered: true,
    variable: ENV.port,
  },
  python: {
    flag: '--python <path>',
    help: 'interpreter or virtual environment of Open WebUI',
    schema: z.string(),
    remembered: true,
    isPath: (text) => text.includes('/'),
  },
  envFile: {
    flag: '--env-file <file>',
    help: 'settings of Open WebUI (default: open-webui.env)',
    schema: z.string(),
    remembered: true,
    isPath: () => true,
    variable: ENV.envFile,
    write: (_, { envFile }) => envFile,
  },
  preset: {
    flag: '--preset <name|file>',
    help: 'PRESETS, or a YAML file (default: default)',
    schema: z.string(),
    remembered: true,
    isPath: isPresetFile,
  },
  runtime: {
    flag: '--runtime <how>',
    help: 'preload: workers forked from one process; uvicorn: Open WebUI’s own (default: preload on Linux)',
    schema: z.enum(RUNTIMES),
    remembered: true,
  },
  preload: {
    flag: '--preload <what>',
    help: 'what the workers share (auto: as much as is safe)',
    schema: z.enum(PRELOAD_CHOICES),
    remembered: true,
    inPresets: true,
    variable: ENV.preload,
  },
  staticCache: {
    flag: '--no-static-cache',
    help: 'let Open WebUI serve the page’s hashed files, compressing them each time',
    schema: z.boolean().describe('whether workers serve the page’s hashed files before the app'),
    remembered: true,
    inPresets: true,
    variable: ENV.staticCache,
    write: (isOn, { staticCache }) => (isOn ? staticCache : undefined),
    reason: (isOn, { staticCache }) =>
      isOn
        ? `the page’s hashed files are compressed once, into ${staticCache}`
        : 'Open WebUI serves the page’s hashed files itself, and compresses them each time',
  },
  shortcuts: {
    flag: '--no-shortcuts',
    help: 'do not shorten database queries and route lookup (see docs/speed.md)',
    schema: z.boolean().describe('whether workers skip round trips and work that change no answer'),
    remembered: true,
    inPresets: true,
    variable: ENV.shortcuts,
    reason: (isOn) =>
      isOn
        ? 'workers skip PostgreSQL round trips and route lookups that change no answer'
        : 'each query has its own ping and transaction, and each request tries every route',
  },
  documentsAtOnce: {
    flag: '--documents-at-once <n|auto>',
    help: 'documents that are processed at once beside the workers (auto: half of the cores, 2 to 4)',
    schema: z.union([z.int().min(1).max(MOST_DOCUMENTS), z.literal('auto')]),
    expected: `auto or a number from 1 to ${MOST_DOCUMENTS}`,
    remembered: true,
    inPresets: true,
    variable: ENV.documentsAtOnce,
  },
  /** Port on 127.0.0.1 for metrics; `off` undoes the port that `up` remembers. */
  metrics: {
    flag: '--metrics <port|off>',
    help: 'serve metrics for Prometheus on this port of 127.0.0.1',
    schema: z.union([Port, z.literal('off')]),
    expected: `off or a port from 1 to ${MOST_PORT}`,
    remembered: true,
  },
} as const satisfies Readonly<Record<string, OptionRow>>;

type Table = typeof OPTIONS;
export type OptionName = keyof Table;
type Values = { -readonly [Name in OptionName]: z.infer<Table[Name]['schema']> };

/** The values of the flags; undefined: not given. A switch is `false` if its `--no-…` is given. */
export type PlanOptions = Partial<Values>;

/** Names of the options whose rows have the key. */
export type OptionsWith<Key extends keyof OptionRow> = {
  [Name in OptionName]: Table[Name] extends Record<Key, unknown> ? Name : never;
}[OptionName];

/** Options that a preset may set instead of a flag; the plan holds their values. */
export type PresetOptions = Pick<Values, OptionsWith<'inPresets'>>;

/** The same table, for code that treats all rows alike. */
export const ROWS: Readonly<Record<OptionName, OptionRow>> = OPTIONS;

export const OPTION_NAMES = Object.keys(OPTIONS) as OptionName[];

/** In the order of the table. */
export function optionsWith<Key extends keyof OptionRow>(key: Key): OptionsWith<Key>[] {
  return OPTION_NAMES.filter((name) => key in OPTIONS[name]) as OptionsWith<Key>[];
}

/** Options whose flag is `--no-…`. */
export const SWITCHES = optionsWith('reason');

/** The shape of a zod object that holds these options. */
export function schemasOf<Name extends OptionName>(
  names: readonly Name[],
): { [One in Name]: Table[One]['schema'] } {
  return Object.fromEntries(names.map((name) => [name, OPTIONS[name].schema])) as {
    [One in Name]: Table[One]['schema'];
  };
}

/** Reads the text of a flag or of a variable; undefined: it is invalid. */
export function readOption<Name extends OptionName>(name: Name, text: string): Values[Name] | undefined {
  const { schema } = ROWS[name];
  const asText = schema.safeParse(text);
  if (asText.success) return asText.data as Values[Name];
  if (!/^\d+(?:\.\d+)?$/.test(text)) return undefined;
  return schema.safeParse(Number(text)).data as Values[Name] | undefined;
}

/** The two ends of a range such as `1..4`; undefined: the text is none. */
export function parseRange(text: string): { least: number; most: number } | undefined {
  const [, least = 0, most = 0] = (/^(\d+)\.\.(\d+)$/.exec(text) ?? []).map(Number);
  return least >= 1 && least <= most && most <= MOST_WORKERS ? { least, most } : undefined;
}

/** Whether `--preset`, or `extends` in a preset, names a file: anything else is a preset of the package. */
export function isPresetFile(text: string): boolean {
  return /[/\\]|\.ya?ml$/.test(text);
}
