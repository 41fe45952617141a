/** Backups that are made by themselves, on a real installation: by PM2, kept, told of, and gone with it. */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../../src/base/errors.ts';
import { withLock } from '../../src/base/io/lock.ts';
import { until } from '../../src/base/io/wait.ts';
import { backupStatePath, changeBackupState, readBackupState } from '../../src/runtime/backups/state.ts';
import { APPS } from '../../src/runtime/contract.ts';
import { Journal } from '../../src/setup/journal/journal.ts';
import { Installation } from '../kit/installation.ts';
import { PATIENCE_MS } from '../kit/patience.ts';
import { freePort } from '../kit/ports.ts';
import { parseExposition } from '../kit/prometheus.ts';
import { useScope } from '../kit/vitest.ts';

const EMAIL = 'admin@example.org';
const TIMEOUT_MS = 300_000;

const scope = useScope();
let installation: Installation;
let metricsPort: number;
let folder: string;
const state = () => readBackupState(backupStatePath(installation.folder));
const names = () => readdirSync(folder).sort();

const app = async () => (await installation.processes()).get(APPS.backup)?.[0];

/** Has PM2 look now, as it does every five minutes. */
const look = () => installation.pm2.run('restart', APPS.backup);

async function metric(name: string, labels: Record<string, string> = {}): Promise<number | undefined> {
  const answer = await fetch(`http://127.0.0.1:${metricsPort}/metrics`);
  return parseExposition(await answer.text()).value(name, labels);
}

/** Waits for a backup beyond those that were made; a failure ends it with its reason as the cause. */
async function untilMade(before: number): Promise<void> {
  const isMade = () => {
    const { made = [], failure } = state() ?? {};
    if (failure && !failure.busy) throw new Error(failure.reason);
    return made.length > before;
  };
  await until(isMade, { what: 'a backup', timeoutMs: PATIENCE_MS });
}

/** Makes the last one so old that another is due. */
async function age(): Promise<void> {
  await changeBackupState(backupStatePath(installation.folder), (known) => {
    if (!known) throw new Error('there is no schedule');
    const made = known.made.map((one) => ({
      ...one,
      at: new Date(Date.parse(one.at) - 30 * 24 * 60 * 60 * 1000).toISOString(),
    }));
    return { ...known, made };
  });
}

beforeAll(async () => {
  installation = await Installation.prepare(scope);
  folder = join(dirname(installation.home), 'elsewhere');
  metricsPort = await freePort();
  await installation.writeSettings({
    OPENAI_API_KEY: 'sk-test-key',
    ENABLE_OLLAMA_API: 'false',
    RAG_EMBEDDING_ENGINE: 'openai',
    HF_HUB_OFFLINE: '1',
    OFFLINE_MODE: 'true',
  });
  const { code, stderr } = await installation.up(
    ...['--workers', '1', '--admin-email', EMAIL],
    ...['--metrics', `${metricsPort}`],
  );
  expect(stderr).toContain('not requested (webui-tune backup --schedule)');
  expect(code).toBe(EXIT.ok);
}, TIMEOUT_MS);

describe.sequential('a schedule', () => {
  it(
    'has PM2 make the first backup at once, and says where and how it went',
    async () => {
      const none = await installation.run('backup');
      expect(none.stderr).toContain('there is no schedule, so a backup needs a file to write');
      expect(none.code).toBe(EXIT.usage);
      const set = await installation.run('backup', '--schedule', '--to', folder);
      expect(set.stderr).toContain('backups: every day at 03:00, the first one now');
      expect(set.stdout).toBe(folder);
      expect(set.code).toBe(EXIT.ok);
      await untilMade(0);
      const [made] = state()?.made ?? [];
      expect(names()).toEqual([made?.file.slice(folder.length + 1)]);
      const status = await installation.run('status');
      expect(status.stdout).toMatch(/backups +\/.*every day at 03:00; the last .* 1 kept, .* free/);
      expect(await metric('backup_last_success_bytes')).toBe(made?.bytes);
      expect(await metric('backup_last_success_timestamp_seconds')).toBe(Date.parse(made?.at ?? '') / 1000);
      const doctor = await installation.run('doctor', '--json');
      expect(doctor.stdout).toMatch(/"files.backups"/);
    },
    TIMEOUT_MS,
  );

  it(
    'makes none while none is due, and the next when it is',
    async () => {
      await look();
      await until(async () => (await app())?.pm2_env.status === 'stopped', {
        what: 'the look',
        timeoutMs: PATIENCE_MS,
      });
      expect(state()).toMatchObject({ made: [{}] });
      expect(state()?.running).toBeUndefined();
      await age();
      await look();
      await untilMade(1);
    },
    TIMEOUT_MS,
  );

  it(
    'waits for another command, and says so',
    async () => {
      await age();
      await withLock(join(installation.folder, 'lock'), async () => {
        await look();
        await until(() => state()?.failure?.busy === true, { what: 'the word', timeoutMs: PATIENCE_MS });
        const status = await installation.run('status');
        expect(status.stdout).toMatch(/^backup: waits since .*another webui-tune changes this installation/m);
        expect(await metric('backup_last_failure_timestamp_seconds')).toBeUndefined();
      });
      await look();
      await untilMade(2);
      expect(state()?.failure).toBeUndefined();
    },
    TIMEOUT_MS,
  );

  it(
    'tells of a failure in status, doctor and metrics, keeps what there is, and is tried again',
    async () => {
      const before = names();
      const away = `${folder}-away`;
      mkdirSync(away);
      // As a disk that is not mounted.
      await changeBackupState(backupStatePath(installation.folder), (known) => ({
        made: [],
        schedule: 'daily',
        ...known,
        folder: join(away, 'missing'),
      }));
      const failed = await installation.run('backup');
      expect(failed.stderr).toContain('is its disk mounted?');
      expect(failed.code).toBe(EXIT.output);
      const reason = `there is no folder ${join(away, 'missing')}: is its disk mounted?`;
      expect((await installation.run('status')).stdout).toContain(`failed: ${reason}`);
      expect(await metric('backup_last_failure_timestamp_seconds', { reason })).toBeGreaterThan(0);
      expect((await installation.run('doctor')).stdout).toContain(reason);
      expect(names()).toEqual(before);
      expect(readdirSync(away)).toEqual([]);
      const mended = await installation.run('backup', '--schedule', 'weekly', '--to', folder);
      expect(mended.code).toBe(EXIT.ok);
      const again = await installation.run('backup');
      expect(again.code).toBe(EXIT.ok);
      expect(again.stderr).toContain('it was restored to try');
      expect(state()?.failure).toBeUndefined();
    },
    TIMEOUT_MS,
  );

  it(
    'does not complete an upgrade or a restore by itself',
    async () => {
      const journal = new Journal(installation.folder);
      const entry = {
        command: 'restore',
        what: 'the restore of /b.tar',
        step: 'stop',
        undoing: false,
      } as const;
      journal.write({ ...entry, begun: new Date().toISOString(), data: {} });
      const { stderr, code } = await installation.run('backup');
      expect(stderr).toContain('the restore of /b.tar, begun at');
      expect(code).toBe(EXIT.service);
      expect(journal.read()).toMatchObject(entry);
      journal.remove();
      // It would be tried again in an hour; a schedule that is set anew begins anew.
      expect((await installation.run('backup', '--schedule', 'weekly')).code).toBe(EXIT.ok);
      expect(state()?.failure).toBeUndefined();
    },
    TIMEOUT_MS,
  );

  it(
    'comes back with up, after down',
    async () => {
      const { code } = await installation.run('down');
      expect(code).toBe(EXIT.ok);
      expect(await app()).toBeUndefined();
      const up = await installation.up('--workers', '1');
      expect(up.stderr).toContain(`every Sunday at 03:00, to ${folder}`);
      expect(await app()).toBeDefined();
    },
    2 * TIMEOUT_MS,
  );

  it(
    'can be ended, and is gone with the installation; the user’s own folder stays',
    async () => {
      const off = await installation.run('backup', '--schedule', 'off');
      expect(off.stderr).toContain('no more backups are made by themselves');
      expect(await app()).toBeUndefined();
      const kept = names();
      expect(kept.length).toBeGreaterThan(1);
      await installation.run('backup', '--schedule');
      writeFileSync(join(folder, 'theirs.txt'), 'theirs');
      const purged = await until(
        async () => {
          const result = await installation.run('down', '--purge', '--yes');
          return result.code === EXIT.ok && result;
        },
        { what: 'the end of the backup', timeoutMs: PATIENCE_MS },
      );
      expect(purged.stderr).toContain(`kept: ${folder}, which is yours`);
      expect(names()).toEqual(expect.arrayContaining([...kept, 'theirs.txt']));
      expect(existsSync(backupStatePath(installation.folder))).toBe(false);
      rmSync(folder, { recursive: true });
    },
    TIMEOUT_MS,
  );
});
