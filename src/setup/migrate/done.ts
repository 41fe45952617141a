import type { Setup } from '../up/setup.ts';
import { Forgotten } from './messages.ts';
import { askPython } from './python-half.ts';
import { removeRecord } from './record.ts';
import { migrationFolder, targetOf } from './target.ts';

/** Ends the way back: the tables by which the migration knew what it had carried are dropped. Returns how many. */
export async function endMigration(setup: Setup): Promise<number> {
  const tuned = await setup.tuned();
  const { url, schema } = targetOf(setup, tuned);
  const vectors = tuned.settings.get('PGVECTOR_DB_URL')?.value || url;
  const half = { python: tuned.plan.places.python, env: setup.env };
  const { dropped } = await askPython('forget', { target: url, schema, vectors }, Forgotten, half);
  removeRecord(migrationFolder(setup));
  return dropped.length;
}
