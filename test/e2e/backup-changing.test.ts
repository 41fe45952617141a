/**
 * Uploads that are added, deleted, replaced, written over and made longer while a backup reads them: each is whole in it, or
 * is named. `WEBUI_TUNE_TEST_UPLOADS_MIB=2048` does the same with 2 GiB.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { endInOrder } from '../../src/base/io/interrupts.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { MIB } from '../../src/base/units.ts';
import { type BackupData, type BackupSource, backupJob } from '../../src/setup/backup/create.ts';
import { type RestoreData, restoreJob } from '../../src/setup/backup/restore.ts';
import { runJob } from '../../src/setup/journal/job.ts';
import { Journal } from '../../src/setup/journal/journal.ts';
import { ROOT } from '../kit/environment.ts';
import { contentsOf, databaseAt, makeTables, openDatabase, sourceOf } from '../kit/open-webui-tables.ts';
import { useScope } from '../kit/vitest.ts';

const ALL_MIB = Number(process.env.WEBUI_TUNE_TEST_UPLOADS_MIB ?? 256);
const FILES = 128;
const TIMEOUT_MS = 600_000;

const scope = useScope();

/** Whether a file is one version of it, from its first byte to its last. */
function isWhole(path: string): boolean {
  const file = openSync(path, 'r');
  try {
    const chunk = Buffer.alloc(MIB);
    const first = readSync(file, chunk);
    const end = chunk.indexOf('\n');
    if (first < 64 || end < 0) return false;
    const { size, digit } = JSON.parse(chunk.toString('utf8', 0, end)) as { size: number; digit: string };
    if (statSync(path).size !== size) return false;
    const byte = digit.charCodeAt(0);
    if (!chunk.subarray(64, first).every((one) => one === byte)) return false;
    for (let count = readSync(file, chunk); count > 0; count = readSync(file, chunk)) {
      if (!chunk.subarray(0, count).every((one) => one === byte)) return false;
    }
    return true;
  } finally {
    closeSync(file);
  }
}

async function startChanging(uploads: string): Promise<void> {
  const script = join(ROOT, 'test', 'kit', 'changing-files.mjs');
  const bytes = Math.floor((ALL_MIB * MIB) / FILES);
  const child = spawn(process.execPath, [script, uploads, `${FILES}`, `${bytes}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  scope.defer('what changes the files', async () => {
    child.kill('SIGKILL');
    await closed;
  });
  let said = '';
  await new Promise<void>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (said.includes('changing')) resolve();
    });
    child.on('close', () => reject(new Error('what changes the files has ended')));
  });
}

it('has each upload whole, or names it, and comes back', { timeout: TIMEOUT_MS }, async () => {
  const folder = await temporaryFolder(scope, 'changing');
  const uploads = join(folder, 'data', 'uploads');
  mkdirSync(uploads, { recursive: true });
  const { url, client } = await openDatabase(scope);
  await makeTables(client);
  const source: BackupSource = {
    database: await databaseAt(sourceOf(url, folder)),
    openWebui: '1.0.0',
    uploads,
    secretsFile: join(folder, 'data', '.webui-tune.env'),
    key: 'key',
  };
  const before = await contentsOf(client);
  await startChanging(uploads);
  const file = join(folder, 'out.tar');
  const context = { journal: new Journal(folder), tell: () => {} };
  const made = await endInOrder((interrupts) =>
    runJob<BackupData>(
      backupJob(async () => source, 'the backup'),
      { file, folder: join(folder, 'backup'), unfinished: join(folder, '.out.unfinished') },
      { ...context, interrupts },
    ),
  );
  expect(made.changed).toContain('restless');
  // Nobody has to be told of uploads that can be read at some time.
  expect(made.changed?.length).toBeLessThan(FILES / 4);

  const restored = { ...source, uploads: join(folder, 'restored') };
  mkdirSync(restored.uploads);
  const service = { stop: async () => {}, start: async () => {} };
  await endInOrder((interrupts) =>
    runJob<RestoreData>(
      restoreJob({ source: async () => restored, service }, 'the restore'),
      { file, uploads: restored.uploads, ran: false },
      { ...context, interrupts },
    ),
  );
  expect(await contentsOf(client)).toEqual(before);
  const names = readdirSync(restored.uploads);
  expect(names.length).toBeGreaterThan(FILES / 2);
  const half = names.filter((name) => !isWhole(join(restored.uploads, name)));
  expect(half.filter((name) => !made.changed?.includes(name))).toEqual([]);
});
