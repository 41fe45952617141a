import { join } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import { statOrUndefined } from '../../base/io/stat.ts';
import { SERVICE_APPS } from '../../facts/embedded/apps.ts';
import type { Plan } from '../../plan/types.ts';

/** Open WebUI's own database file (open_webui/env.py). */
const SQLITE = 'webui.db';

export interface Wanted {
  /** Whether the database is to be the embedded one. */
  database: boolean;
  /** Whether Redis's part is to be taken by the embedded Valkey. */
  broker: boolean;
}

/**
 * Which embedded services this installation uses, or needs because nothing else is set. Data in SQLite keeps them away,
 * unless it is being migrated to them.
 */
export function wantedServices({ embedded = [], services, places }: Plan, isMigrating = false): Wanted {
  const inUse = (name: string) => embedded.some((service) => service.name === name);
  const sqliteInUse = !isMigrating && services.database.kind === 'sqlite' && hasSqliteData(places.dataDir);
  return {
    database: inUse(SERVICE_APPS.postgres) || (services.database.kind === 'sqlite' && !sqliteInUse),
    broker: inUse(SERVICE_APPS.valkey) || (services.redis.kind === 'none' && !sqliteInUse),
  };
}

/** Whether there is data that a change to PostgreSQL would hide. */
export function hasSqliteData(dataDir: string): boolean {
  return (statOrUndefined(join(dataDir, SQLITE))?.size ?? 0) > 0;
}

/** Throws TuneError for a service of the user that does not answer, because only the user can start it. */
export function requireAnswers({ services: { database, redis } }: Plan, wanted: Wanted): void {
  if (!wanted.database && database.kind === 'postgresql' && !database.answer.up) {
    throw new TuneError(
      `PostgreSQL at ${database.where} does not answer: ${database.answer.reason}`,
      EXIT.service,
      ['start it, or mend DATABASE_URL; without DATABASE_URL webui-tune brings a PostgreSQL of its own'],
    );
  }
  if (!wanted.broker && redis.kind === 'redis' && !redis.answer.up) {
    throw new TuneError(`Redis at ${redis.where} does not answer: ${redis.answer.reason}`, EXIT.service, [
      'start it, or mend REDIS_URL; without REDIS_URL webui-tune brings a Valkey of its own',
    ]);
  }
}
