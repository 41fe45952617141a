import { EXIT, TuneError } from '../../base/errors.ts';
import { withPostgres } from '../../facts/services/postgres.ts';
import { reasonOf } from '../../facts/services/timeout.ts';
import { databaseUrl, readDatabaseUrl } from '../../facts/services/urls.ts';
import type { Settings } from '../../facts/types.ts';

/** The index that pgvector searches by, in the database where the vectors are. */
export interface VectorIndexFacts {
  database: string;
  isMade: boolean;
  /** Bytes that PostgreSQL may use to make it. */
  allowed: number;
  /** Bytes that it takes at most. */
  needed: number;
}

/** Open WebUI's defaults (open_webui/config.py, 0.12.4). */
const DIMENSIONS = 1_536;
const LISTS = 100;
/** pgvector, src/ivfbuild.c: it learns from this many vectors, or from 50 for each list. */
const SAMPLES = 10_000;
const SAMPLES_A_LIST = 50;
/** What it takes beside its arrays: less than 0.4 % where that was measured. */
const OVERHEAD = 1.005;

const QUESTION = `
  SELECT current_database() AS database,
         to_regclass($1 || 'idx_document_chunk_vector') IS NOT NULL AS made,
         (SELECT setting::float8 * 1024 FROM pg_settings WHERE name = 'maintenance_work_mem') AS allowed`;

/** Undefined: it is not of the kind that cannot be made with too little memory. Throws TuneError. */
export async function readVectorIndex(
  settings: Settings,
  effective: ReadonlyMap<string, string>,
): Promise<VectorIndexFacts | undefined> {
  if (!isIvfflat(effective)) return undefined;
  const own = settings.get('PGVECTOR_DB_URL')?.value;
  const url = own
    ? readDatabaseUrl('PGVECTOR_DB_URL', own)
    : readDatabaseUrl('DATABASE_URL', databaseUrl(settings) ?? '');
  const schema = effective.get('DATABASE_SCHEMA');
  try {
    const { rows } = await withPostgres(url, (client) =>
      client.query<{ database: string; made: boolean; allowed: number }>(QUESTION, [
        schema ? `${client.escapeIdentifier(schema)}.` : '',
      ]),
    );
    const [row] = rows;
    if (!row) throw new Error('an empty answer');
    const number = (setting: string, otherwise: number) => Number(effective.get(setting)) || otherwise;
    const dimensions = number('PGVECTOR_INITIALIZE_MAX_VECTOR_LENGTH', DIMENSIONS);
    const needed = memoryFor(dimensions, number('PGVECTOR_IVFFLAT_LISTS', LISTS));
    return { database: row.database, isMade: row.made, allowed: row.allowed, needed };
  } catch (error) {
    throw new TuneError(`the database of the vectors does not answer: ${reasonOf(error)}`, EXIT.service);
  }
}

/** As Open WebUI chooses it (PgvectorClient._vector_index_configuration). An index of hnsw is made with any memory. */
function isIvfflat(effective: ReadonlyMap<string, string>): boolean {
  const method = effective.get('PGVECTOR_INDEX_METHOD');
  if (method) return method === 'ivfflat';
  return effective.get('PGVECTOR_USE_HALFVEC')?.toLowerCase() !== 'true';
}

/** Bytes: pgvector, src/ivfkmeans.c. 65 MB for 1,536 numbers and 100 lists, which is what its error says. */
export function memoryFor(dimensions: number, lists: number): number {
  const vector = 8 + 4 * dimensions;
  const samples = Math.max(SAMPLES, SAMPLES_A_LIST * lists);
  const arrays =
    samples * vector + 3 * lists * vector + 4 * samples * lists + 8 * samples + 4 * lists * lists;
  return Math.ceil(arrays * OVERHEAD);
}
