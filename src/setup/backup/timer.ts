import { join } from 'node:path';
import { backupApp } from '../../render/apps.ts';
import { WHEN } from '../../runtime/backups/due.ts';
import { backupStatePath, readBackupState } from '../../runtime/backups/state.ts';
import { APPS, ENV, RUNTIME_FILES } from '../../runtime/contract.ts';
import { keepRuntime } from '../../runtime/folder.ts';
import { lastingProgram } from '../pm2/program.ts';
import { startApp } from '../pm2/start-app.ts';
import { removeApps } from '../up/cluster.ts';
import type { Setup } from '../up/setup.ts';
import type { Step } from '../up/step.ts';

/** PM2's app that begins the backups of a schedule. It is there as long as there is a schedule. */
export function backupsStep(setup: Setup): Step {
  const state = () => readBackupState(backupStatePath(setup.folder));
  return {
    name: 'backups',
    check: async () => {
      const { schedule, folder } = state() ?? {};
      if (schedule === undefined) return 'not requested (webui-tune backup --schedule)';
      if (!setup.hasOpenWebui || !(await isAtWork(setup))) return undefined;
      return `${WHEN[schedule]}, to ${folder}`;
    },
    describe: () => `have PM2 begin the backups (${APPS.backup})`,
    run: async () => {
      await startTimer(setup);
      const { schedule = 'daily', folder } = state() ?? {};
      return `${WHEN[schedule]}, to ${folder}`;
    },
  };
}

/** Whether PM2 has the app as it would be started now. */
async function isAtWork(setup: Setup): Promise<boolean> {
  const app = (await setup.processes()).find(({ name }) => name === APPS.backup);
  if (!app) return false;
  const { plan } = await setup.tuned();
  const expected = {
    pm_exec_path: join(plan.places.runtime, RUNTIME_FILES.backup),
    ...(await environmentOf(setup)),
  };
  return Object.entries(expected).every(([name, value]) => app.pm2_env[name] === value);
}

/** What the backup finds the installation by, beside the files: settings that only the shell of `up` had, no secrets. */
async function environmentOf(setup: Setup): Promise<Record<string, string>> {
  const { plan } = await setup.tuned();
  const ofShell = plan.settings.flatMap(({ key, value, source }) =>
    source === 'environment' && value !== undefined ? [[key, value] as const] : [],
  );
  return { [ENV.program]: lastingProgram(setup.env, setup.home), ...Object.fromEntries(ofShell) };
}

/** Starts it anew; it looks at once. */
export async function startTimer(setup: Setup): Promise<void> {
  const { plan, runtime } = await setup.tuned();
  if (runtime) keepRuntime(runtime);
  const pm2 = await setup.pm2();
  await removeApps(pm2, [APPS.backup]);
  await startApp(pm2, setup.folder, backupApp(plan.places.runtime, await environmentOf(setup)));
  await savedForBoot(setup);
}

export async function stopTimer(setup: Setup): Promise<void> {
  const removed = await removeApps(setup.plainPm2(), [APPS.backup]);
  if (removed.length > 0) await savedForBoot(setup);
}

async function savedForBoot(setup: Setup): Promise<void> {
  setup.changed();
  if (setup.remembered.startup) await setup.plainPm2().run('save', '--force');
}
