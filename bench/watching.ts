/**
 * `npm run bench:watching`: what `webui-tune top` costs. CPU time of two idle workers and their supervisors with and
 * without `webui-tune top --interval 1`, and of top itself; interleaved, in milliseconds per second.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { Scope } from '../src/base/io/scope.ts';
import { cpuMs } from '../src/base/machine/process-cpu.ts';
import { allProcesses, commandLine } from '../src/base/machine/process-table.ts';
import { startCluster } from '../test/kit/cluster.ts';
import { CLI } from '../test/kit/environment.ts';
import { type Figure, renderTable } from './statistics.ts';

const WORKERS = 2;
const ROUNDS = 5;
const ROUND_MS = 8_000;

/** Milliseconds until top has read for the first time. */
const SETTLE_MS = 2_000;

const scope = new Scope();

async function main(): Promise<void> {
  const cluster = await startCluster(scope, { workers: WORKERS });
  const workers = cluster.pythonWorkers();
  const supervisors = (await cluster.instances()).map(({ pid }) => ({ pid }));
  const figures = new Map<string, Figure>();
  const note = (what: string, spent: number, ms: number) => {
    const figure = figures.get(what) ?? { what, unit: 'ms/s', samples: [] };
    figures.set(what, { ...figure, samples: [...figure.samples, spent / (ms / 1000)] });
  };

  async function round(state: string, others: { pid: number }[]): Promise<void> {
    const groups = { 'both workers': workers, 'both supervisors': supervisors, 'top itself': others };
    const before = Object.values(groups).map(cpuMs);
    const started = performance.now();
    await sleep(ROUND_MS);
    const ms = performance.now() - started;
    for (const [index, [name, processes]] of Object.entries(groups).entries()) {
      if (processes.length > 0) note(`${name}, ${state}`, cpuMs(processes) - (before[index] ?? 0), ms);
    }
  }

  for (let index = 0; index < ROUNDS; index++) {
    await sleep(SETTLE_MS);
    await round('unwatched', []);
    // Without a terminal, top would print once and end; script(1) gives it one.
    const program = `exec ${process.execPath} ${CLI} top ${cluster.ecosystemFile} --interval 1`;
    const terminal = execa('script', ['--quiet', '--flush', '--command', program, '/dev/null'], {
      stdin: 'pipe',
      stdout: 'ignore',
    });
    await sleep(SETTLE_MS);
    const top = allProcesses().filter(({ pid }) => commandLine(pid).includes(cluster.ecosystemFile));
    if (top.length !== 1) throw new Error(`${top.length} processes of top run, not one`);
    await round('watched', top);
    terminal.stdin.write('q');
    await terminal;
  }
  process.stdout.write(
    `${renderTable([...figures.values()].sort((a, b) => a.what.localeCompare(b.what)))}\n`,
  );
}

try {
  await main();
} finally {
  await scope.close();
}
