import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { z } from 'zod';
import { EXIT, TuneError } from '../../base/errors.ts';
import type { Environment } from '../../base/io/environment.ts';
import { runProgram } from '../../base/io/run.ts';
import { optionsIn } from '../../plan/option-variables.ts';
import { USUAL_NAMES } from '../../render/formats.ts';
import { APPS, ENV } from '../../runtime/contract.ts';
import type { TuneOptions } from '../../tune/options.ts';

/** Milliseconds until a file that does not end is given up. */
const LOAD_TIMEOUT = 10_000;

const App = z.looseObject({
  name: z.string().optional(),
  script: z.string().optional(),
  interpreter: z.string().optional(),
  instances: z.union([z.number(), z.string()]).optional(),
  env: z.record(z.string(), z.unknown()).optional(),
});

export type EcosystemApp = z.infer<typeof App>;

export interface EcosystemFile {
  path: string;
  apps: readonly EcosystemApp[];
  /** The app that the workers are forked from; undefined with `--runtime uvicorn`. */
  preload?: EcosystemApp;
  cluster: EcosystemApp;
  /** How many workers it asks for; of a range, the most. */
  workers: number;
  /** Of a range: the least. */
  leastWorkers?: number;
  /** Environment of the preload app, or of the only one. */
  env: Readonly<Record<string, string>>;
  /** What PM2 would say about it, and what it would pass over. */
  faults: readonly string[];
  /** Absolute paths of programs and scripts that are not there. */
  missing: readonly string[];
}

/** PM2's own way to read a configuration file (pm2/lib/API.js, _startJson), in a process that it cannot harm. */
const LOADER = `
const fs = require('fs');
const Common = require(process.argv[1]);
const file = process.argv[2];
const kind = Common.isConfigFile(file);
if (!kind) throw new Error('PM2 would run a file of this name as a program');
const read = Common.parseConfig(kind === 'json' || kind === 'yaml' ? fs.readFileSync(file, 'utf8') : file, file);
process.stdout.write('\\n' + JSON.stringify(read.default ?? read));
`;

/** The named file, else the usual one here, else the one that `up` has written; undefined: there is none. */
export function findEcosystemFile(named: string | undefined, cwd: string, ofUp: string): string | undefined {
  if (named !== undefined) {
    const path = resolve(cwd, named);
    if (existsSync(path)) return path;
    throw new TuneError(`there is no ${path}`, EXIT.usage, [
      'name the ecosystem file that PM2 was started with',
    ]);
  }
  const usual = [USUAL_NAMES.js, USUAL_NAMES.cjs, USUAL_NAMES.json].map((name) => resolve(cwd, name));
  return [...usual, ofUp].find((path) => existsSync(path));
}

/** Loads the file as PM2 would. Throws TuneError with PM2's own reason. */
export async function loadEcosystem(path: string): Promise<EcosystemFile> {
  const { code, output, complaint } = await load(path);
  if (code !== 0) {
    const reason = /^(?:\w*Error.*|.*Error: .*)$/m.exec(complaint)?.[0] ?? complaint.trim().split('\n')[0];
    const isModule = /module is not defined|require\(\) of ES Module/.test(complaint);
    throw new TuneError(`PM2 cannot load ${path}: ${reason}`, EXIT.settings, [
      isModule
        ? 'a package.json says "type": "module": name the file ecosystem.config.cjs'
        : `write it anew: webui-tune --out ${path} --force`,
    ]);
  }
  const parsed = z
    .object({ apps: z.array(App) })
    .safeParse(JSON.parse(output.slice(output.lastIndexOf('\n') + 1)));
  const apps = parsed.data?.apps ?? [];
  const cluster = apps.find(({ name }) => name === APPS.cluster);
  if (!cluster) {
    throw new TuneError(
      `${path} has no app ${APPS.cluster}: it was not written by webui-tune`,
      EXIT.settings,
      ['write one: webui-tune --out ecosystem.config.js'],
    );
  }
  const preload = apps.find(({ name }) => name === APPS.preload);
  const env = textValues((preload ?? cluster).env ?? {});
  const { faultsOf } = await import('../../setup/pm2/schema.ts');
  const scale = apps.find(({ name }) => name === APPS.scale)?.env;
  const instances = Number(preload ? (cluster.instances ?? 1) : (env[ENV.uvicornWorkers] ?? 1));
  const programs = apps.flatMap(({ cwd, script, interpreter }) => [
    ...(script === undefined ? [] : [resolve(typeof cwd === 'string' ? cwd : '/', script)]),
    ...(interpreter?.startsWith('/') ? [interpreter] : []),
  ]);
  return {
    path,
    apps,
    ...(preload && { preload }),
    cluster,
    workers: scale ? Number(scale[ENV.mostWorkers]) : instances,
    ...(scale && { leastWorkers: Number(scale[ENV.leastWorkers]) }),
    env,
    faults: faultsOf(apps),
    missing: [...new Set(programs)].filter((program) => !existsSync(program)),
  };
}

/** Names of the file's variables that are settings of Open WebUI, and that the user has chosen. */
export function userSettings({ env }: Pick<EcosystemFile, 'env'>): Record<string, string> {
  const computed = new Set((env[ENV.computed] ?? '').split(','));
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !name.startsWith('WEBUI_TUNE_') && !computed.has(name)),
  );
}

/** What the file was made with, so that the same installation is looked at; `given` goes first. */
export function optionsOf(file: EcosystemFile, given: TuneOptions, shell: Environment): TuneOptions {
  const { env } = file;
  const python = (file.preload ?? file.cluster).interpreter;
  const { PYTHONUNBUFFERED: _, ...settings } = userSettings(file);
  const metrics = Number(file.apps.find(({ name }) => name === APPS.metrics)?.env?.[ENV.metricsPort]);
  return {
    ...(python !== undefined && { python }),
    ...optionsIn(env),
    ...(file.preload ? {} : { runtime: 'uvicorn' as const }),
    ...(file.workers > 0 && { workers: workersOf(file) }),
    ...(metrics > 0 && { metrics }),
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    out: file.path,
    // What PM2 hands to the app from this file wins over the shell that looks at it.
    env: { ...shell, ...settings },
  };
}

/** As `--workers` takes them. */
export function workersOf({ workers, leastWorkers }: EcosystemFile): number | string {
  return leastWorkers === undefined ? workers : `${leastWorkers}..${workers}`;
}

function textValues(values: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));
}

/** In a process of its own: the file is a program, and may do anything. */
async function load(path: string): Promise<{ code: number | null; output: string; complaint: string }> {
  const common = createRequire(import.meta.url).resolve('pm2/lib/Common.js');
  const options = { env: process.env, timeout: LOAD_TIMEOUT };
  const { code, stdout, stderr } = await runProgram(process.execPath, ['-e', LOADER, common, path], options);
  return { code, output: stdout, complaint: stderr || 'it does not end' };
}
