import { rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { EXIT, type ExitCode, TuneError } from '../base/errors.ts';
import { statOrUndefined } from '../base/io/stat.ts';
import type { Terminal } from '../base/io/terminal.ts';
import { formatBytes, plural } from '../base/units.ts';
import { SERVICE_APPS } from '../facts/embedded/apps.ts';
import { APPS } from '../runtime/contract.ts';
import { createBackup } from '../setup/backup/create.ts';
import { databaseOf } from '../setup/backup/database.ts';
import { openBackup, refuseOverwrite, restoreBackup } from '../setup/backup/restore.ts';
import { removeApps } from '../setup/up/cluster.ts';
import { serviceStepsOf, stepsOf } from '../setup/up/index.ts';
import { Setup } from '../setup/up/setup.ts';
import { runSteps } from '../setup/up/step.ts';

const CLUSTER = [APPS.cluster, APPS.preload];
const SERVICES = [SERVICE_APPS.valkey, SERVICE_APPS.postgres];

/** Saves everything in one file; it may all be running. */
export async function makeBackup(name: string, terminal: Terminal): Promise<ExitCode> {
  const setup = setUp();
  await withServices(setup, async () => {
    const { plan } = await setup.tuned();
    const file = resolve(name);
    const about = await createBackup(setup, plan, await databaseOf(setup), file);
    const size = formatBytes(statOrUndefined(file)?.size ?? 0);
    terminal.err(`saved: the database, ${plural(about.uploads, 'upload')} and the key, ${size}\n`);
    terminal.out(`${file}\n`);
  });
  return EXIT.ok;
}

/** Puts a backup in the place of what is there, and starts what ran before. */
export async function restore(
  name: string,
  { overwrite = false }: { overwrite?: boolean },
  terminal: Terminal,
): Promise<ExitCode> {
  const setup = setUp();
  const ran = (await setup.processes()).some(({ name }) => name === APPS.cluster);
  await withServices(setup, async () => {
    const { plan } = await setup.tuned();
    const database = await databaseOf(setup);
    const backup = await openBackup(setup, plan, resolve(name));
    try {
      const users = await refuseOverwrite(database, overwrite);
      await removeApps(setup.plainPm2(), await setup.processes(), CLUSTER);
      const kept = await restoreBackup(setup, plan, database, backup, users);
      if (kept !== undefined) terminal.err(`what was there is kept in ${kept}\n`);
      terminal.err(`restored: as it was at ${backup.about.made}\n`);
    } finally {
      rmSync(backup.folder, { recursive: true, force: true });
    }
    setup.changed();
  });
  if (!ran) {
    terminal.err('webui-tune up starts it\n');
    return EXIT.ok;
  }
  await runSteps(
    stepsOf(setup),
    () => {},
    () => {},
  );
  terminal.err('it serves again\n');
  return EXIT.ok;
}

function setUp(): Setup {
  const setup = new Setup({});
  if (setup.remembered.planned) return setup;
  throw new TuneError('nothing is set up yet', EXIT.service, ['webui-tune up']);
}

/** Runs `work` with the embedded services up, and leaves them as they were. */
async function withServices(setup: Setup, work: () => Promise<void>): Promise<void> {
  const before = new Set((await setup.processes()).map(({ name }) => name));
  await runSteps(
    serviceStepsOf(setup),
    () => {},
    () => {},
  );
  try {
    await work();
  } finally {
    setup.changed();
    const started = SERVICES.filter((name) => !before.has(name));
    if (started.length > 0) await removeApps(setup.plainPm2(), await setup.processes(), started);
  }
}
