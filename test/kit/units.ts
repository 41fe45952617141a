import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Scope } from '../../src/base/io/scope.ts';
import { CLI, openWebuiEnvironment } from './environment.ts';
import { freePort } from './ports.ts';
import { type Services, settingsFor } from './services.ts';

export interface RenderedUnits {
  /** Where the settings and the data are; its own, and removed when the scope ends. */
  folder: string;
  /** The folder in it that has the units. */
  out: string;
  url: string;
  /** Runs the CLI once more with the same arguments and further ones; what it printed. */
  cli(...more: string[]): Promise<string>;
}

/** Renders the units as a user does, for remote embeddings and `args`. */
export async function renderUnits(
  scope: Scope,
  services: Services,
  ...args: string[]
): Promise<RenderedUnits> {
  // Not in /tmp: the units have one of their own.
  const folder = await mkdtemp(join(homedir(), '.wt-units-'));
  scope.defer(folder, () => rm(folder, { recursive: true, force: true }));
  const port = await freePort();
  const settings = { ...settingsFor(services, 'remote'), DATA_DIR: join(folder, 'data') };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(join(folder, 'open-webui.env'), lines.join(''), { mode: 0o600 });
  const out = join(folder, 'system');
  for (const name of [settings.DATA_DIR, out]) mkdirSync(name);
  const given = [CLI, '--python', openWebuiEnvironment().python, '--port', `${port}`, ...args];
  const cli = async (...more: string[]) => {
    const { stdout } = await execa(process.execPath, [...given, ...more], {
      cwd: folder,
      env: { PATH: process.env.PATH ?? '', HOME: folder, LANG: 'C.UTF-8' },
      extendEnv: false,
    });
    return stdout;
  };
  await cli('--format', 'systemd', '--out', out);
  return { folder, out, url: `http://127.0.0.1:${port}`, cli };
}
