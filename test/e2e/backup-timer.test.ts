/** The app that begins backups, in a real PM2: it outlives a boot, and begins one only where one is due. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { dataHome } from '../../src/base/io/folders.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { until } from '../../src/base/io/wait.ts';
import { backupApp } from '../../src/render/apps.ts';
import { backupStatePath, changeBackupState } from '../../src/runtime/backups/state.ts';
import { APPS, ENV } from '../../src/runtime/contract.ts';
import { ROOT } from '../kit/environment.ts';
import { PATIENCE_MS } from '../kit/patience.ts';
import { Pm2 } from '../kit/pm2.ts';
import { useScope } from '../kit/vitest.ts';

const TIMEOUT_MS = 180_000;
const scope = useScope();

it(
  'begins a backup again after a boot, and none where none is due',
  async () => {
    const folder = await temporaryFolder(scope, 'timer');
    const [home, begun] = [join(folder, 'home'), join(folder, 'begun')];
    await mkdir(home);
    const program = join(folder, 'program.mjs');
    writeFileSync(
      program,
      `import { writeFileSync } from 'node:fs'; writeFileSync(${JSON.stringify(begun)}, process.argv[2]);`,
    );
    const path = backupStatePath(dataHome({}, home));
    await changeBackupState(path, () => ({ schedule: 'daily', folder, made: [] }));
    const pm2 = new Pm2(scope, { home: join(home, '.pm2'), userHome: home, cwd: folder });
    // It looks each second, so that nobody has to wait for five minutes.
    const app = {
      ...backupApp(join(ROOT, 'dist', 'runtime'), { [ENV.program]: program }),
      cron_restart: '* * * * * *',
    };
    const file = join(folder, 'apps.config.cjs');
    writeFileSync(file, `module.exports = ${JSON.stringify({ apps: [app] })};`);
    const isBegun = { what: 'a backup', timeoutMs: PATIENCE_MS };
    await pm2.start(file);
    await until(() => existsSync(begun), isBegun);
    expect(readFileSync(begun, 'utf8')).toBe('backup');

    await pm2.run('save', '--force');
    await pm2.run('kill');
    rmSync(begun);
    await pm2.run('resurrect');
    await until(() => existsSync(begun), isBegun);

    // One is there, and another runs: neither is a reason for a further one.
    const made = { file: program, at: new Date().toISOString(), bytes: 1, modified: 1, seconds: 1 };
    await changeBackupState(path, () => ({ schedule: 'daily', folder, made: [made] }));
    const lastLook = async () =>
      Number((await pm2.list()).find(({ name }) => name === APPS.backup)?.pm2_env.pm_uptime);
    const nextLook = async () => {
      const last = await lastLook();
      await until(async () => (await lastLook()) > last, { what: 'a look', timeoutMs: PATIENCE_MS });
    };
    // The look under way, and the program that it began, may have read what was there before.
    await nextLook();
    await nextLook();
    rmSync(begun, { force: true });
    await nextLook();
    await nextLook();
    expect(existsSync(begun)).toBe(false);
  },
  TIMEOUT_MS,
);
