import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type Document, isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import * as z from 'zod';
import { EXIT, systemCode, TuneError } from '../base/errors.ts';
import { packageRoot } from '../base/io/package.ts';
import { parsePercent, parseSize } from '../base/units.ts';
import { COMPRESSIONS, type Preset } from '../plan/types.ts';
import { PRELOAD_CHOICES } from '../runtime/contract.ts';

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

/** Names that the tuner itself decides about. */
const NOT_FOR_PRESETS = ['DATA_DIR', 'STATIC_DIR', 'WEB_CONCURRENCY', 'UVICORN_WORKERS', 'FROM_INIT_PY'];

const SettingName = z
  .string()
  .regex(/^[A-Z][A-Z0-9_]*$/, 'not the name of a setting')
  .refine((name) => !NOT_FOR_PRESETS.includes(name), 'not a setting that a preset can have');

const PresetFile = z.strictObject({
  extends: z.string().optional(),
  description: z.string().optional(),
  workers: z
    .strictObject({ perCore: z.number().positive().max(4), max: z.int().positive().max(1024) })
    .partial()
    .optional(),
  memory: z
    .strictObject({ reserve: Percent, reserveMin: Size, reserveMax: Size, growth: Size, workerLimit: Size })
    .partial()
    .optional(),
  drainSeconds: z.int().positive().max(3600).optional(),
  // Less than 5 s would take a worker that parses a large answer for one that hangs.
  hangSeconds: z.union([z.literal(0), z.int().min(5).max(3600)], '0 (never) or 5 to 3600').optional(),
  preload: z.enum(PRELOAD_CHOICES).optional(),
  staticCache: z.boolean().optional(),
  shortcuts: z.boolean().optional(),
  compression: z.enum(COMPRESSIONS).optional(),
  settings: z
    .record(SettingName, z.union([z.string(), z.number(), z.boolean()]).transform(settingValue))
    .optional(),
});
type PresetFile = z.infer<typeof PresetFile>;

/** Names of the presets that come with the package. */
export function presetNames(): string[] {
  return readdirSync(presetFolder())
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => name.slice(0, -'.yaml'.length))
    .sort();
}

/**
 * Loads a preset by its name, or from a file (anything with a slash or ending in .yaml), and those that it extends.
 * Throws TuneError that names the file, the line and the key.
 */
export function loadPreset(nameOrFile: string, cwd: string): Preset {
  const chain: PresetFile[] = [];
  const seen: string[] = [];
  for (let next: string | undefined = nameOrFile, base = cwd; next !== undefined; ) {
    const path = presetPath(next, base);
    if (seen.includes(path)) throw wrong(`${path}: extends itself, by way of ${seen.join(', ')}`);
    seen.push(path);
    const preset = parsePreset(readPreset(path), path);
    chain.unshift(preset);
    // A file that extends nothing starts from the default, so that it needs only what it changes.
    const isDefault = path === join(presetFolder(), 'default.yaml');
    next = preset.extends ?? (isDefault ? undefined : 'default');
    base = dirname(path);
  }
  return merge(nameOrFile, chain);
}

/** Checks the text of a preset. `path` is for the errors only. Throws TuneError. */
export function parsePreset(text: string, path: string): PresetFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const syntax = document.errors[0] ?? document.warnings[0];
  if (syntax) throw wrong(`${path}, line ${lines.linePos(syntax.pos[0]).line}: ${syntax.message}`);
  const result = PresetFile.safeParse(document.toJS() ?? {});
  if (result.success) return result.data;
  const faults = result.error.issues.flatMap((issue) => {
    const keys =
      issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
    return keys.map((key) => {
      const offset = offsetOf(document, key);
      const where = offset === undefined ? path : `${path}, line ${lines.linePos(offset).line}`;
      return `${where}: ${key.join('.') || 'the preset'}: ${describe(issue)}`;
    });
  });
  throw wrong(faults.join('\n'));
}

function describe(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return 'unknown key';
  // A record wraps what is wrong with a key.
  if (issue.code === 'invalid_key') return issue.issues[0]?.message ?? issue.message;
  return issue.message;
}

/** Where a key stands in the text; its parent, if it is not there itself. */
function offsetOf(document: Document, keys: readonly PropertyKey[]): number | undefined {
  let node: unknown = document.contents;
  let offset: number | undefined;
  for (const key of keys) {
    if (!isMap(node)) break;
    const pair = node.items.find(({ key: name }) => isScalar(name) && String(name.value) === String(key));
    if (!pair) break;
    if (isScalar(pair.key)) offset = pair.key.range?.[0];
    node = pair.value;
  }
  return offset;
}

function presetPath(nameOrFile: string, base: string): string {
  if (/[/\\]|\.ya?ml$/.test(nameOrFile)) return resolve(base, nameOrFile);
  const path = join(presetFolder(), `${nameOrFile}.yaml`);
  if (existsSync(path)) return path;
  const known = presetNames().join(', ');
  throw new TuneError(
    `unknown preset ${JSON.stringify(nameOrFile)}: expected one of ${known}, or a file ending in .yaml`,
    EXIT.usage,
  );
}

function readPreset(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const reason = systemCode(error) === 'ENOENT' ? 'there is no such file' : String(systemCode(error));
    throw wrong(`preset ${path}: ${reason}`);
  }
}

/** Later ones win, group by group. */
function merge(name: string, chain: readonly PresetFile[]): Preset {
  const all = <K extends 'workers' | 'memory' | 'settings'>(key: K) =>
    Object.assign({}, ...chain.map((preset) => preset[key])) as NonNullable<PresetFile[K]>;
  const last = <K extends keyof PresetFile>(key: K) =>
    chain.findLast((preset) => preset[key] !== undefined)?.[key];
  const workers = all('workers');
  const memory = all('memory');
  const { perCore, max } = { ...workers };
  const { reserve, reserveMin, reserveMax, growth, workerLimit } = { ...memory };
  const drainSeconds = last('drainSeconds');
  const hangSeconds = last('hangSeconds');
  const preload = last('preload');
  const staticCache = last('staticCache');
  const shortcuts = last('shortcuts');
  const compression = last('compression');
  if (
    perCore === undefined ||
    reserve === undefined ||
    reserveMin === undefined ||
    reserveMax === undefined ||
    growth === undefined ||
    workerLimit === undefined ||
    drainSeconds === undefined ||
    hangSeconds === undefined ||
    preload === undefined ||
    staticCache === undefined ||
    shortcuts === undefined ||
    compression === undefined
  ) {
    throw new Error('presets/default.yaml does not set every value');
  }
  return {
    name,
    description: last('description') ?? '',
    workers: { perCore, ...(max !== undefined && { max }) },
    memory: { reserveShare: reserve, reserveMin, reserveMax, growth, workerLimit },
    drainSeconds,
    hangSeconds,
    preload,
    staticCache,
    shortcuts,
    compression,
    settings: all('settings'),
  };
}

/** YAML's true is Open WebUI's `True`. */
function settingValue(value: string | number | boolean): string {
  return typeof value === 'boolean' ? (value ? 'True' : 'False') : String(value);
}

function presetFolder(): string {
  return join(packageRoot(), 'presets');
}

function wrong(message: string): TuneError {
  return new TuneError(message, EXIT.settings);
}
