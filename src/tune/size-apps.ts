import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../base/io/package.ts';
import type { App } from '../render/apps.ts';
import type { TuneOptions } from './options.ts';

/** The flags of the command line, for this machine and without a file to write. */
export type SizeOptions = Omit<TuneOptions, 'out' | 'root' | 'rotateLogs'>;

/**
 * PM2's apps, sized to this machine at this moment. For a configuration file: PM2 loads it with `require`, so it cannot wait
 * for a promise (pm2/lib/Common.js, parseConfig). A separate process makes the plan, as `webui-tune` does: its report goes to
 * stderr, and it saves secrets that only the shell has. Throws Error if there is no plan.
 */
export function sizeApps({ cwd, env, ...flags }: SizeOptions = {}): App[] {
  const program = join(packageRoot(), 'dist', 'cli.js');
  const { status, signal, stdout, error } = spawnSync(
    process.execPath,
    [program, '--for-pm2', ...argumentsOf(flags)],
    {
      ...(cwd !== undefined && { cwd }),
      env: env ?? process.env,
      stdio: ['ignore', 'pipe', 'inherit'],
      encoding: 'utf8',
    },
  );
  if (error) throw error;
  if (status !== 0) {
    throw new Error(`webui-tune made no plan: ${signal ?? `exit code ${status}`}; the reason is above`);
  }
  return (JSON.parse(stdout) as { apps: App[] }).apps;
}

/** `envFile: 'x'` is `--env-file x`, and `staticCache: false` is `--no-static-cache`. */
export function argumentsOf(flags: Omit<SizeOptions, 'cwd' | 'env'>): string[] {
  return Object.entries(flags).flatMap(([name, value]) => {
    const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    if (value === undefined || value === true) return [];
    return value === false ? [`--no-${flag}`] : [`--${flag}`, String(value)];
  });
}
