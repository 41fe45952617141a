/** The real command, in a short form. */
import { chmod, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, describe, expect, it } from 'vitest';
import { Scope } from '../../src/base/io/scope.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { until } from '../../src/base/io/wait.ts';
import { allProcesses, commandLine, environment } from '../../src/base/machine/process-table.ts';
import { type BenchReport, BenchSchema } from '../../src/bench/contest/schema.ts';
import { CLI, openWebuiEnvironment } from '../kit/environment.ts';

/** Three minutes where nothing else runs. */
const RUN_MS = 900_000;

const MEASURED = [
  'visitsPerSecond',
  'apiPerSecond',
  'chatsPerSecond',
  'memoryMib',
  'tokenCpuMs',
  'documentsSeconds',
  'besideP99Ms',
  'standstillMs',
] as const;

const scope = new Scope();
afterAll(() => scope.close());

/** Starts it with a folder for temporary files of its own: there is nothing else to leave anything in. */
async function start(...args: string[]) {
  // Its name is short, for the UNIX sockets below it.
  const folder = await temporaryFolder(scope, 'b');
  const temporary = join(folder, 't');
  await mkdir(temporary);
  // As root, PostgreSQL is another account's, and has to get in.
  await Promise.all([folder, temporary].map((path) => chmod(path, 0o711)));
  const running = execa(
    process.execPath,
    [CLI, 'bench', '--python', openWebuiEnvironment().python, ...args],
    {
      cwd: folder,
      env: { PATH: process.env.PATH ?? '', HOME: folder, LANG: 'C.UTF-8', TMPDIR: temporary },
      extendEnv: false,
      reject: false,
    },
  );
  scope.defer('bench', async () => {
    running.kill('SIGTERM');
    await running;
  });
  return { folder, temporary, running };
}

function processesIn(folder: string): number[] {
  return allProcesses()
    .map(({ pid }) => pid)
    .filter((pid) => [...environment(pid), ...commandLine(pid)].some((text) => text.includes(folder)));
}

describe('webui-tune bench', () => {
  it(
    'measures contenders beside each other, and leaves nothing behind',
    async () => {
      const { folder, temporary, running } = await start(
        ...['--only', 'serve,ours', '--workers', '2', '--rounds', '1', '--seconds', '1'],
        ...['--json', '--html', 'report.html'],
      );
      const { exitCode, stdout, stderr } = await running;
      expect(exitCode, stderr).toBe(0);
      const report: BenchReport = BenchSchema.parse(JSON.parse(stdout));
      const [serve, ours] = report.contenders;
      expect(report.contenders.map(({ id }) => id)).toEqual(['serve', 'ours']);
      for (const { figures } of report.contenders) {
        for (const figure of MEASURED) expect(figures[figure]?.[0], figure).toBeGreaterThan(0);
      }
      // On a busy machine, not even the first step of chats is in time.
      for (const { figures } of report.contenders) expect(figures.readers).toHaveLength(1);
      // All documents were read by the app's own loaders, and all answers came to their end.
      const unread = report.contenders.flatMap(({ notes }) =>
        notes.filter((note) => /^(documents|streams):/.test(note)),
      );
      expect(unread).toEqual([]);
      expect(ours?.figures.reloadLost).toEqual([0]);
      expect(ours?.figures.recoverSeconds?.[0]).toBeLessThan(serve?.figures.startSeconds?.[0] ?? 0);
      // While it is stopped, nobody is there.
      expect(serve?.figures.reloadLost?.[0]).toBeGreaterThan(0);
      expect(serve?.notes).toContain('kill -9: nothing starts it again');
      const page = await readFile(join(folder, 'report.html'), 'utf8');
      expect(page).toContain('<h1>webui-tune bench</h1>');
      expect(page.match(/<svg /g)?.length).toBeGreaterThan(10);
      expect(await readdir(temporary)).toEqual([]);
      expect(processesIn(folder)).toEqual([]);
    },
    RUN_MS,
  );

  it(
    'ends all that it has started when somebody has had enough',
    async () => {
      const { folder, temporary, running } = await start('--only', 'ours', '--rounds', '1');
      let told = '';
      running.stderr.on('data', (text: Buffer) => {
        told += text.toString();
      });
      const hasStarted = () => told.includes('a database is filled') && processesIn(folder).length > 4;
      await until(() => running.exitCode !== null || hasStarted(), {
        what: 'services and PM2 have started',
        timeoutMs: RUN_MS,
      });
      expect(running.exitCode, told).toBeNull();
      running.kill('SIGINT');
      expect((await running).exitCode).toBe(130);
      expect(await readdir(temporary)).toEqual([]);
      expect(processesIn(folder)).toEqual([]);
    },
    RUN_MS,
  );
});
