import { join } from 'node:path';
import { withPostgres } from '../../facts/services/postgres.ts';
import { parsedUrl, type Target } from './target.ts';

/**
 * Has the rows of uploads name the folder that they were copied to: Open WebUI keeps absolute paths
 * (open_webui/storage/provider.py, LocalStorageProvider). What is in an object store stays. Returns how many rows changed.
 */
export async function relocateUploads(target: Target, dataDir: string): Promise<number> {
  const table = target.schema === null ? 'file' : `"${target.schema.replaceAll('"', '""')}".file`;
  const folder = join(dataDir, 'uploads');
  const { rowCount } = await withPostgres(parsedUrl(target), (client) =>
    client.query(
      // A container knows the folder by another path than we do: what follows "uploads" is the same.
      `UPDATE ${table} SET path = $1 || substring(path FROM '/uploads(/[^/]+)$')
       WHERE path ~ '^/.*/uploads/[^/]+$' AND path <> $1 || substring(path FROM '/uploads(/[^/]+)$')`,
      [folder],
    ),
  );
  return rowCount ?? 0;
}
