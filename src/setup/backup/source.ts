import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import type { Setup } from '../up/setup.ts';
import type { BackupSource } from './create.ts';
import { findObjectStore, uploadsElsewhere } from './objects.ts';
import { findDatabase } from './tools.ts';

/** What there is to back up. Throws TuneError where the database is not PostgreSQL, or there are no tools for it. */
export async function sourceOf(setup: Setup): Promise<BackupSource> {
  const { plan, settings } = await setup.tuned();
  const { env, services } = setup;
  const { python, dataDir, secretsFile, envFile } = plan.places;
  const database = await findDatabase({ settings, python, env, services });
  if (!database) {
    throw new TuneError('the database is SQLite, and a backup is of PostgreSQL', EXIT.settings, [
      `while everything is stopped, copy the folder ${dataDir}`,
    ]);
  }
  const objects = findObjectStore(settings, python, env);
  const elsewhereAre = uploadsElsewhere(settings);
  const key = settings.get('WEBUI_SECRET_KEY');
  const elsewhere = { 'env file': envFile ?? 'the env file', environment: 'the environment' };
  return {
    database,
    openWebui: plan.openWebui.version,
    uploads: uploadsIn(dataDir),
    ...(objects && { objects }),
    ...(elsewhereAre !== undefined && { elsewhere: elsewhereAre }),
    secretsFile,
    key: key?.value,
    ...((key?.source === 'env file' || key?.source === 'environment') && {
      keyElsewhere: elsewhere[key.source],
    }),
  };
}

/** The folder itself, where a link leads to it. */
function uploadsIn(dataDir: string): string {
  const path = join(dataDir, 'uploads');
  return existsSync(path) ? realpathSync(path) : path;
}
