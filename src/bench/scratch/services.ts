/** Empty servers of our own like the user's, with which Open WebUI is measured. */
import { join } from 'node:path';
import type { Environment } from '../../base/io/environment.ts';
import type { Scope } from '../../base/io/scope.ts';
import { servicesFolder } from '../../facts/embedded/folder.ts';
import { areInstalled, packagesFolder, programsIn } from '../../facts/embedded/packages.ts';
import { requireEntrance } from '../../setup/embedded/make-folder.ts';
import { installServices } from '../../setup/python/pip.ts';
import { startChroma } from './chroma.ts';
import type { ScratchFolder } from './folder.ts';
import { PostgresServer } from './postgres.ts';
import { findPostgres, findRedis } from './programs.ts';
import { startRedis } from './redis.ts';
import { startUpstream, type Upstream } from './upstream.ts';

/** Which of them are wanted. */
export interface WantedServices {
  postgres: boolean;
  /** Whether it has to have the extension pgvector. */
  pgvector: boolean;
  redis: boolean;
  chroma: boolean;
}

export interface ScratchServices {
  databaseUrl?: string;
  redisUrl?: string;
  chromaPort?: number;
  upstream: Upstream;
}

export interface ScratchOptions {
  folder: ScratchFolder;
  /** Open WebUI's interpreter. */
  python: string;
  env: Environment;
  home: string;
  progress: (text: string) => void;
}

/**
 * Starts them on free ports of loopback. Their programs are those that `webui-tune up` has installed, else the
 * system's, else the same packages from PyPI, for this once. Throws TuneError where pip fails.
 */
export async function startScratchServices(
  scope: Scope,
  wanted: WantedServices,
  options: ScratchOptions,
): Promise<ScratchServices> {
  const { folder, python } = options;
  if (wanted.postgres && process.getuid?.() === 0) {
    requireEntrance(folder.path, 'set TMPDIR to a folder that everybody may enter, such as /tmp');
  }
  const programs = await findPrograms(wanted, options);
  const start = { parent: folder.path, env: folder.env, detached: true };
  const [postgres, redis, chroma, upstream] = await Promise.all([
    wanted.postgres ? PostgresServer.create(scope, { ...start, programs: programs.postgres }) : undefined,
    wanted.redis
      ? startRedis(scope, { ...start, ...(programs.redis && { program: programs.redis }) })
      : undefined,
    wanted.chroma ? startChroma(scope, python, start) : undefined,
    startUpstream(scope),
  ]);
  return {
    ...(postgres && { databaseUrl: postgres.url }),
    ...(redis && { redisUrl: redis.url }),
    ...(chroma && { chromaPort: chroma.port }),
    upstream,
  };
}

interface FoundPrograms {
  /** Folder of initdb and postgres. */
  postgres?: string | undefined;
  redis?: string | undefined;
}

async function findPrograms(
  wanted: WantedServices,
  { folder, python, env, home, progress }: ScratchOptions,
): Promise<FoundPrograms> {
  const embedded = programsIn(packagesFolder(servicesFolder(env, home)));
  if (areInstalled(embedded)) return { postgres: embedded.postgres, redis: embedded.valkey };
  // The packages have the extension; whether a system's PostgreSQL has it, only the running server knows.
  const postgres = wanted.pgvector ? undefined : findPostgres(env.PATH);
  const redis = findRedis(env.PATH);
  if ((!wanted.postgres || postgres) && (!wanted.redis || redis)) return { postgres, redis };
  const packages = join(folder.path, 'packages');
  await installServices(packages, python, {
    env: { ...env, ...folder.env },
    log: join(folder.path, 'pip.log'),
    progress,
  });
  const fetched = programsIn(packages);
  return { postgres: fetched.postgres, redis: fetched.valkey };
}
