/** A PM2 with a home of its own: nothing of the user's PM2 is touched. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Environment } from '../../base/io/environment.ts';
import { tailOf } from '../../base/io/run.ts';
import type { Scope } from '../../base/io/scope.ts';
import { killAll, onEmergency, signal } from '../../base/io/started.ts';
import { type ProcessInfo, processesWithEnvironment, processTree } from '../../base/machine/process-table.ts';
import { Pm2 } from '../../setup/pm2/client.ts';
import type { Stage } from './stage.ts';

export interface ScratchPm2 {
  start(apps: object[]): Promise<void>;
  /** Runs `start` with an existing file. */
  startFile(file: string): Promise<void>;
  run(...args: string[]): Promise<void>;
  daemonPid(): number;
  /** All that it has started, and its daemon. */
  processes(): ProcessInfo[];
  logTail(): string;
}

export function startPm2(scope: Scope, stage: Stage, folder: string, env: Environment): ScratchPm2 {
  const home = join(folder, 'pm2');
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const pm2 = new Pm2(stage.pm2.path, { ...env, PM2_HOME: home }, folder);
  const daemonPid = () => {
    try {
      return Number(readFileSync(join(home, 'pm2.pid'), 'utf8'));
    } catch {
      return 0;
    }
  };
  // Found by descent, and by the PM2_HOME that they inherit, so that orphans are found too.
  const processes = () => {
    const daemon = daemonPid();
    const all = [...(daemon > 0 ? processTree(daemon) : []), ...processesWithEnvironment('PM2_HOME', home)];
    return [...new Map(all.map((info) => [info.pid, info])).values()];
  };
  const cancel = onEmergency(() => {
    for (const id of processes()) signal(id, 'SIGKILL');
  });
  scope.defer(`PM2 in ${home}`, async () => {
    if (processes().length > 0) await pm2.attempt('kill');
    await killAll(processes());
    cancel();
  });
  const run = async (...args: string[]) => {
    await pm2.run(...args);
  };
  return {
    start: async (apps) => {
      const file = join(folder, 'bench.config.cjs');
      writeFileSync(file, `module.exports = ${JSON.stringify({ apps })};\n`, { mode: 0o600 });
      await run('start', file);
    },
    startFile: (file) => run('start', file),
    run,
    daemonPid,
    processes,
    logTail: () => logTailOf(home, 8),
  };
}

/** The last lines of each log of the PM2 that has this home. */
export function logTailOf(home: string, lines: number): string {
  const logs = join(home, 'logs');
  if (!existsSync(logs)) return 'PM2 has not started';
  // PM2's own log says what was started and how it ended, including PM2 itself.
  return [join(home, 'pm2.log'), ...readdirSync(logs).map((name) => join(logs, name))]
    .filter((path) => existsSync(path))
    .map((path) => `${basename(path)}:\n${tailOf(readFileSync(path, 'utf8'), lines)}`)
    .join('\n');
}
