/** Runs `webui-tune doctor` on an installation, as its user would, and keeps a list of what it has found ill. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect } from 'vitest';
import { CHECKS } from '../../src/doctor/checks/index.ts';
import { type DoctorReport, DoctorSchema } from '../../src/doctor/schema.ts';
import type { Cluster } from './cluster.ts';
import { CLI, sharedCache } from './environment.ts';

type Found = DoctorReport['findings'][number];

/** What only a cluster that runs can have, beside the groups `cluster` and `proxy`. */
const OF_A_RUNNING_CLUSTER = [
  'settings.secret-key-kept',
  'python.requirements',
  'vectors.engines',
  'database.stuck-files',
  'machine.memory',
];

/** Checks that have found the real thing broken, in this test file. */
const seen = new Set<string>();

/** What `examination` has to have found of these checks first. */
export function expectVerdicts(
  examination: Examination,
  expected: Record<string, 'note' | 'warning' | 'error'>,
): void {
  const found = Object.keys(expected).map((id) => [id, examination.of(id)[0]?.verdict]);
  expect(Object.fromEntries(found)).toEqual(expected);
  for (const id of Object.keys(expected)) seen.add(id);
}

/**
 * Every check belongs to one of two test files, and at the end of each all of its checks must have been seen to find
 * something: a check without a test in which the real thing is broken fails here.
 */
export function expectAllSeen(runs: boolean, butFor: readonly string[] = []): void {
  const missing = CHECKS.filter(
    ({ id, group }) =>
      (['cluster', 'proxy'].includes(group) || OF_A_RUNNING_CLUSTER.includes(id)) === runs &&
      !seen.has(id) &&
      !butFor.includes(id),
  );
  expect(missing.map(({ id }) => id)).toEqual([]);
}

/** Of a snapshot: a commit's, as all are. */
const REVISION = '0123456789abcdef0123456789abcdef01234567';

/** Makes an empty snapshot of a model in a cache of Hugging Face, as a download would; its folder. */
export async function placeModel(cache: string, name: string): Promise<string> {
  const folder = join(cache, `models--${name.replace('/', '--')}`);
  const snapshot = join(folder, 'snapshots', REVISION);
  await Promise.all([mkdir(snapshot, { recursive: true }), mkdir(join(folder, 'refs'), { recursive: true })]);
  await writeFile(join(folder, 'refs', 'main'), REVISION);
  return snapshot;
}

export interface Examination {
  exitCode: number;
  report: DoctorReport;
  /** All that one check found. */
  of(check: string): Found[];
  /** Checks with a warning or an error. */
  wrong: string[];
}

/** Without an `ecosystemFile`, none is named. `env`: added to that of the user. `through`: the words before the command. */
export async function examine(
  { ecosystemFile, folder, pm2 }: Pick<Cluster, 'ecosystemFile' | 'folder' | 'pm2'>,
  args: string[] = [],
  env: Record<string, string> = {},
  through: readonly string[] = [],
): Promise<Examination> {
  const [program = '', ...words] = [...through, process.execPath, CLI];
  const { stdout, stderr, exitCode } = await execa(
    program,
    [...words, 'doctor', ...(ecosystemFile ? [ecosystemFile] : []), '--json', ...args],
    {
      cwd: folder,
      env: {
        PATH: process.env.PATH ?? '',
        HOME: `${folder}/home`,
        PM2_HOME: pm2.home,
        LANG: 'C.UTF-8',
        XDG_CACHE_HOME: sharedCache(),
        ...env,
      },
      extendEnv: false,
      reject: false,
    },
  );
  if (![0, 8, 9].includes(exitCode ?? -1)) throw new Error(`doctor: exit code ${exitCode}\n${stderr}`);
  const report = DoctorSchema.parse(JSON.parse(stdout));
  return {
    exitCode: exitCode ?? -1,
    report,
    of: (check) => report.findings.filter((finding) => finding.check === check),
    wrong: report.findings
      .filter(({ verdict }) => verdict === 'warning' || verdict === 'error')
      .map(({ check, found }) => `${check}: ${found}`),
  };
}
