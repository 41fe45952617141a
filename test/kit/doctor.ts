/** Runs `webui-tune doctor` on an installation, as its user would. */
import { execa } from 'execa';
import { type DoctorReport, DoctorSchema } from '../../src/doctor/schema.ts';
import type { Cluster } from './cluster.ts';
import { CLI, sharedCache } from './environment.ts';

type Found = DoctorReport['findings'][number];

export interface Examination {
  exitCode: number;
  report: DoctorReport;
  /** All that one check found. */
  of(check: string): Found[];
  /** Checks with a warning or an error. */
  wrong: string[];
}

/** `env`: added to that of the user. */
export async function examine(
  { ecosystemFile, folder, pm2 }: Pick<Cluster, 'ecosystemFile' | 'folder' | 'pm2'>,
  args: string[] = [],
  env: Record<string, string> = {},
): Promise<Examination> {
  const { stdout, stderr, exitCode } = await execa(
    process.execPath,
    [CLI, 'doctor', ecosystemFile, '--json', ...args],
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
