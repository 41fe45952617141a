import { EXIT, TuneError } from '../../base/errors.ts';
import type { Settings } from '../../facts/types.ts';
import { APPS } from '../../runtime/contract.ts';
import type { Pm2Process } from '../pm2/client.ts';
import type { OldKey } from './key.ts';
import type { Look } from './messages.ts';
import type { Source } from './source.ts';
import { conflictsOf } from './target.ts';

/* What a migration refuses before it changes anything. Each throws TuneError with what to do. */

/** A database of another program, a damaged one, or one of another version than can be carried. */
export function requireCarriable({ database }: Source, { version, corrupt, tables }: Look): void {
  if (version === 'none' || !tables.some(({ name }) => name === 'user')) {
    throw new TuneError(`${database} is not a database of Open WebUI 0.9 or newer`, EXIT.openWebui, [
      'where an older version wrote it: start Open WebUI 0.9 on a copy of it once',
    ]);
  }
  if (version === 'newer') {
    throw new TuneError(
      `${database} was written by a newer Open WebUI than the one that is installed`,
      EXIT.openWebui,
      ['install that version, or a newer one, and run webui-tune migrate again'],
    );
  }
  if (corrupt.length > 0) {
    const lines = corrupt.slice(0, 5).map((line) => `  ${line}`);
    throw new TuneError(`${database} is damaged:\n${lines.join('\n')}`, EXIT.service, [
      `save what can be read, while Open WebUI is stopped: sqlite3 ${database} .recover | sqlite3 recovered.db`,
      'then: webui-tune migrate --from recovered.db',
    ]);
  }
}

/** Settings of the user that would win over those that lead to the new database. */
export function refuseConflicts(
  settings: Settings,
  wanted: ReadonlyMap<string, string>,
  { database }: Source,
  envFile: string | undefined,
): void {
  const conflicts = conflictsOf(settings, wanted);
  if (conflicts.length === 0) return;
  const where = (source: string) => (source === 'env file' ? (envFile ?? 'the env file') : 'the environment');
  throw new TuneError(
    conflicts
      .map(
        ({ name, source }) => `${name} is set in ${where(source)}, and would lead away from the new database`,
      )
      .join('\n'),
    EXIT.settings,
    [`remove it there, then: webui-tune migrate --from ${database}`],
  );
}

/** A key of the user's that is not the old server's: nobody would stay signed in, and what is encrypted would be lost. */
export function refuseKeyElsewhere(key: OldKey | undefined, settings: Settings): void {
  const set = settings.get('WEBUI_SECRET_KEY');
  const wins = set?.source === 'environment' || set?.source === 'env file';
  if (key === undefined || !set?.value || !wins || set.value === key.value) return;
  throw new TuneError(
    `WEBUI_SECRET_KEY of the ${set.source} is not the key of the old server (${key.where})`,
    EXIT.settings,
    ['remove it there: the old server’s key is kept, so that sessions and encrypted values stay valid'],
  );
}

/** The new database must be nobody’s while it is filled. */
export function refuseRunningTarget(
  { dataDir }: Source,
  targetDir: string,
  processes: readonly Pm2Process[],
): void {
  const runs = processes.some(({ name, pm2_env }) => name === APPS.cluster && pm2_env.status === 'online');
  if (dataDir === targetDir || !runs) return;
  throw new TuneError(
    `the data is to come from ${dataDir}, and PM2 runs another Open WebUI with ${targetDir}`,
    EXIT.service,
    ['webui-tune down, then run webui-tune migrate again'],
  );
}
