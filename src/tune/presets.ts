import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type Document, isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import type * as z from 'zod';
import { EXIT, systemCode, TuneError } from '../base/errors.ts';
import { packageRoot } from '../base/io/package.ts';
import { isPresetFile } from '../plan/options.ts';
import { type Preset, type PresetFile, PresetFileSchema, PresetSchema } from '../plan/preset.ts';

/** Names of the presets that come with the package. */
export function presetNames(): string[] {
  return readdirSync(presetFolder())
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => name.slice(0, -'.yaml'.length))
    .sort();
}

/**
 * Loads a preset by its name, or from a file (anything with a slash or ending in .yaml), and the presets that it extends.
 * Throws a TuneError that names the file, the line and the key.
 */
export function loadPreset(nameOrFile: string, cwd: string): Preset {
  const chain: PresetFile[] = [];
  const seen: string[] = [];
  for (let next: string | undefined = nameOrFile, base = cwd; next !== undefined; ) {
    const path = presetPath(next, base);
    if (seen.includes(path)) throw wrong(`${path}: extends itself, through ${seen.join(', ')}`);
    seen.push(path);
    const preset = parsePreset(readPreset(path), path);
    chain.unshift(preset);
    // A file that extends nothing starts from the default, so that it only needs its changes.
    const isDefault = path === join(presetFolder(), 'default.yaml');
    next = preset.extends ?? (isDefault ? undefined : 'default');
    base = dirname(path);
  }
  return { name: nameOrFile, ...PresetSchema.parse(merge(chain)) };
}

/** The checked contents of a preset's file, as written there. `path` is only for the errors. Throws TuneError. */
export function parsePreset(text: string, path: string): PresetFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const syntax = document.errors[0] ?? document.warnings[0];
  if (syntax) throw wrong(`${path}, line ${lines.linePos(syntax.pos[0]).line}: ${syntax.message}`);
  const content = document.toJS() ?? {};
  const result = PresetFileSchema.safeParse(content);
  if (result.success) return content;
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
  // A record wraps the issue of its key.
  if (issue.code === 'invalid_key') return issue.issues[0]?.message ?? issue.message;
  return issue.message;
}

/** Offset of a key in the text, or of its nearest parent that the text has. */
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
  if (isPresetFile(nameOrFile)) return resolve(base, nameOrFile);
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

/** Later files win; within a group (`workers`, `memory`, `settings`) they win key by key. */
function merge(chain: readonly PresetFile[]): PresetFile {
  const merged: Record<string, unknown> = {};
  for (const { extends: _, ...preset } of chain) {
    for (const [key, value] of Object.entries(preset)) {
      merged[key] = typeof value === 'object' ? Object.assign({}, merged[key], value) : value;
    }
  }
  return merged;
}

function presetFolder(): string {
  return join(packageRoot(), 'presets');
}

function wrong(message: string): TuneError {
  return new TuneError(message, EXIT.settings);
}
