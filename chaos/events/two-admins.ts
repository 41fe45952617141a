import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT } from '../../src/base/errors.ts';
import { signal } from '../../src/base/io/started.ts';
import { until } from '../../src/base/io/wait.ts';
import { isAlive, readProcess } from '../../src/base/machine/process-table.ts';
import { Cluster } from '../../test/kit/cluster.ts';
import { sharedCache } from '../../test/kit/environment.ts';
import { type CommandResult, Installation } from '../../test/kit/installation.ts';
import { createMigratedDatabase } from '../../test/kit/postgres.ts';
import { settingsFor, startServices } from '../../test/kit/services.ts';
import type { ChaosEvent } from '../event.ts';

const LOCKED_TIMEOUT_MS = 60_000;
const REFUSAL = /another webui-tune changes this installation \(process \d+\)/;

export function twoAdmins(): ChaosEvent {
  let installation: Installation;
  return {
    name: 'two-admins',
    title: 'up, backup, upgrade and restore while a backup is made; then three at once',
    holds:
      'one goes on, the others name its process and end with their code; no worker ends, nothing is half done',
    runs: { long: 1, short: 1 },
    async start(scope, workers) {
      const services = await startServices(scope, createMigratedDatabase);
      installation = await Installation.prepare(scope);
      await installation.writeSettings(settingsFor(services, 'remote'));
      const { code, stderr } = await installation.up('--workers', `${workers}`);
      if (code !== EXIT.ok) throw new Error(`up ended with ${code}: ${stderr}`);
      const { pm2, port, home: folder } = installation;
      const cluster = new Cluster({ services, pm2, port, folder, args: [], cacheFolder: sharedCache() });
      await cluster.untilServing(workers);
      return cluster;
    },
    async run({ cluster, load, workers, say }) {
      const violations: string[] = [];
      const before = cluster.pythonWorkers();
      const backup = (name: string) => installation.run('backup', fileOf(name));
      const fileOf = (name: string) => join(installation.home, `${name}.tar`);
      const wasRefused = ({ code, stderr }: CommandResult) => code === EXIT.service && REFUSAL.test(stderr);

      const begun = performance.now();
      const first = backup('first');
      const owner = await ownerOf(join(installation.folder, 'lock'));
      // Stopped, it holds the others up for as long as they take.
      signal(owner, 'SIGSTOP');
      try {
        const others = {
          up: installation.up('--workers', `${workers + 1}`),
          backup: backup('second'),
          upgrade: installation.run('upgrade', '0.12.3', '--yes'),
          restore: installation.run('restore', fileOf('first'), '--overwrite'),
        };
        for (const [name, command] of Object.entries(others)) {
          const result = await command;
          // A restore looks for its file first, which is not there yet.
          if (name === 'restore' ? result.code === EXIT.ok : !wasRefused(result))
            violations.push(`${name} ended with ${result.code}: ${result.stderr}`);
        }
      } finally {
        signal(owner, 'SIGCONT');
      }
      const { code, stderr } = await first;
      const firstMs = performance.now() - begun;
      if (code !== EXIT.ok) violations.push(`the first backup ended with ${code}: ${stderr}`);
      if (existsSync(fileOf('second'))) violations.push('the refused backup left a file');

      const names = ['a', 'b', 'c'];
      const results = await Promise.all(names.map(backup));
      say(`three backups at once ended with ${results.map((result) => result.code).join(', ')}`);
      results.forEach((result, index) => {
        const isDone = result.code === EXIT.ok;
        if (!isDone && !wasRefused(result))
          violations.push(`a backup ended with ${result.code}: ${result.stderr}`);
        if (existsSync(fileOf(names[index] ?? '')) !== isDone) violations.push('a file belongs to no backup');
      });
      if (!results.some((result) => result.code === EXIT.ok))
        violations.push('none of three backups went on');
      const left = readdirSync(installation.home).filter((name) => name.endsWith('.unfinished'));
      if (left.length > 0) violations.push(`left behind: ${left.join(', ')}`);
      const resumed = await installation.run('resume');
      if (!/nothing is half done/.test(resumed.stderr)) violations.push(`resume says: ${resumed.stderr}`);
      if (!before.every(isAlive)) violations.push('a worker ended');
      await load.proceed(50);
      return { servesAgainMs: [firstMs], violations };
    },
  };
}

/** The process that holds a lock (base/io/lock.ts). */
async function ownerOf(lock: string) {
  return until(() => readProcess(existsSync(lock) ? Number.parseInt(readFileSync(lock, 'utf8'), 10) : 0), {
    what: `somebody holds ${lock}`,
    timeoutMs: LOCKED_TIMEOUT_MS,
    intervalMs: 5,
  });
}
