import { accessSync, constants, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import { statOrUndefined } from '../../base/io/stat.ts';
import { allEnded } from '../../base/io/wait.ts';
import { makePrivateFolder } from '../../base/io/write.ts';
import type { Job, JobStep } from '../journal/job.ts';
import type { Service } from '../journal/service.ts';
import type { FilesCopied } from './files.ts';
import type { Reindex } from './messages.ts';
import type { OldServer } from './old-server.ts';
import { formatSeconds } from './progress-text.ts';
import { requireEqual, type Verification, type VerifiedRow } from './verification.ts';

/** What the journal keeps of a migration; no secret, and so no URL. */
export interface MigrateData {
  /** The SQLite file, and the data folder that it belongs to. */
  source: string;
  dataDir: string;
  /** Where the copy of the file and the report are. */
  folder: string;
  /** Whether the installed Open WebUI migrates the copy first, because an older one wrote it. */
  isOlder: boolean;
  /** Whether the files go to another data folder. */
  movesFiles: boolean;
  /** Whether vectors are carried. */
  hasVectors: boolean;
  /** Settings of pgvector that all of them need. */
  vectorSettings: Record<string, string>;
  /** What has the database open, and is stopped. */
  old: OldServer[];
  /** Services that ran before. */
  ran: string[];
  /** Seconds of the outage, as estimated beforehand. */
  outageSeconds: number;
  /** The file's signature before it was copied, and how many seconds the copy took; with its own migration. */
  copied?: { signature: string; seconds: number };
  /** Milliseconds since 1970 at which the old server was stopped. */
  stopped?: number;
  /** Milliseconds of the outage. */
  outage?: number;
  /** How many rows of files were given new places. */
  relocated?: number;
  /** Lines of the report on what could not be carried as it is. */
  findings?: number;
  verification?: Verification;
  /** What Open WebUI has to embed again. */
  embedAgain?: EmbedAgain;
}

/** Collections that are not carried. */
export interface EmbedAgain {
  requests: Reindex[];
  /** Those that Open WebUI cannot embed again: results of web searches, pages, pasted texts. */
  lost: string[];
}

/** What a migration works with. */
export interface Migration {
  /** PostgreSQL, Valkey, and what else is needed, up to the empty database. `stop` ends what did not run before. */
  services: { start(data: MigrateData): Promise<void>; stop(ran: readonly string[]): Promise<void> };
  old: {
    find(source: string): Promise<OldServer[]>;
    stop(servers: readonly OldServer[], source: string): Promise<void>;
    start(servers: readonly OldServer[]): Promise<void>;
  };
  /** The Python half. */
  data: {
    /** Copies the file, and migrates the copy where that is older. */
    snapshot(data: MigrateData, copy: string): Promise<void>;
    prepare(data: MigrateData): Promise<void>;
    /** Returns how many lines the report has. */
    copy(data: MigrateData, source: string, pass: 1 | 2): Promise<number>;
    verifyTables(data: MigrateData, source: string): Promise<VerifiedRow[]>;
    copyVectors(data: MigrateData, pass: 1 | 2): Promise<EmbedAgain>;
    indexVectors(data: MigrateData): Promise<void>;
    verifyVectors(data: MigrateData): Promise<VerifiedRow[]>;
  };
  files(data: MigrateData): Promise<FilesCopied>;
  /** Has the rows of the files name their new places. */
  relocate(data: MigrateData): Promise<number>;
  /** Size and time of the source's files. */
  signature(source: string): string;
  settings: { point(data: MigrateData): Promise<void>; pointBack(data: MigrateData): Promise<void> };
  service: Service;
  /** Has the collections embedded again, by the server that runs now. */
  embedAgain(what: EmbedAgain): Promise<void>;
}

/** Copies of the database in the folder of the migration: that of the first pass, and one that the outage may need. */
export const COPY_NAMES = ['copy.db', 'later-copy.db'] as const;
export const copyOf = ({ folder }: Pick<MigrateData, 'folder'>) => join(folder, COPY_NAMES[0]);
const laterCopyOf = ({ folder }: Pick<MigrateData, 'folder'>) => join(folder, COPY_NAMES[1]);

/**
 * Carries everything in two passes, the second with the old server stopped. What fails, or is cut short, before Open WebUI
 * is pointed at the new database is undone: the old server serves its old data, which nobody has written to. What was
 * copied by then stays in the target, and the next run only copies what differs.
 */
export function migrateJob(
  migration: Migration,
  what: string,
  tell: (text: string) => void,
): Job<MigrateData> {
  return {
    command: 'migrate',
    what,
    forwardFrom: 'switch',
    completeFrom: 'embed again',
    steps: [
      ...whileItRuns(migration, tell),
      ...whileItIsStopped(migration, tell),
      ...afterIt(migration, tell),
    ],
  };
}

function whileItRuns(migration: Migration, tell: Tell): JobStep<MigrateData>[] {
  const { services, data: python } = migration;
  return [
    {
      name: 'services',
      do: async (data) => {
        await services.start(data);
        return undefined;
      },
      undo: ({ ran }) => services.stop(ran),
    },
    {
      name: 'copy of the file',
      do: async (data) => {
        makePrivateFolder(data.folder);
        const signature = migration.signature(data.source);
        const began = performance.now();
        await python.snapshot(data, copyOf(data));
        return { copied: { signature, seconds: (performance.now() - began) / 1000 } };
      },
      undo: async (data) => removeCopies(data),
    },
    {
      name: 'new database',
      do: async (data) => {
        await python.prepare(data);
        return undefined;
      },
    },
    {
      name: 'first pass',
      do: async (data) => {
        await firstPass(migration, data, tell);
        return undefined;
      },
    },
  ];
}

/**
 * Tables and vectors beside each other: each leaves a core idle. What is equal by now, and stays as it is, need not be
 * compared in the outage. Collections that the old server writes may differ.
 */
async function firstPass({ data: python, files }: Migration, data: MigrateData, tell: Tell): Promise<void> {
  const source = copyOf(data);
  const copied = python.copy(data, source, 1);
  const tables = async () => {
    await copied;
    requireEqual({ rows: await python.verifyTables(data, source) });
  };
  const vectors = async () => {
    // Open WebUI makes the indexes, and takes as much memory for it as the copy of the tables has left.
    await allEnded([python.copyVectors(data, 1), copied]);
    await python.indexVectors(data);
    await python.verifyVectors(data);
  };
  const [, , moved] = await allEnded([
    tables(),
    data.hasVectors ? vectors() : undefined,
    data.movesFiles ? files(data) : undefined,
  ]);
  if (moved) tellFiles(moved, tell);
}

function whileItIsStopped(migration: Migration, tell: Tell): JobStep<MigrateData>[] {
  const { old, data: python, files } = migration;
  return [
    {
      name: 'stop',
      do: async (data, note) => {
        // One that was only starting when it was looked for has the database open by now.
        const servers = union(data.old, await old.find(data.source));
        note({ stopped: Date.now(), old: servers });
        if (servers.length > 0) tell(stopText(data));
        await old.stop(servers, data.source);
        return undefined;
      },
      undo: async (data) => {
        if (data.old.length > 0) tell('starting the old server again, with its old data');
        await old.start(data.old);
      },
    },
    {
      name: 'second pass',
      do: async (data) => {
        const before = migration.signature(data.source);
        const source = await sourceOfSecondPass(migration, data);
        const [findings, embedAgain, copied] = await allEnded([
          python.copy(data, source, 2),
          data.hasVectors ? python.copyVectors(data, 2) : undefined,
          data.movesFiles ? files(data) : undefined,
        ]);
        if (copied) tellFiles(copied, tell);
        const [tables, collections = []] = await allEnded([
          python.verifyTables(data, source),
          data.hasVectors ? python.verifyVectors(data) : undefined,
        ]);
        const verification = { rows: [...tables, ...collections] };
        requireEqual(verification);
        if (migration.signature(data.source) !== before) throw writtenMeanwhile(data);
        return { verification, findings, ...(embedAgain && { embedAgain }) };
      },
    },
    {
      name: 'files’ places',
      do: async (data) => {
        return data.movesFiles ? { relocated: await migration.relocate(data) } : undefined;
      },
    },
  ];
}

function afterIt({ settings, service, embedAgain }: Migration, tell: Tell): JobStep<MigrateData>[] {
  return [
    {
      name: 'switch',
      do: async (data) => {
        await settings.point(data);
        return undefined;
      },
      undo: (data) => settings.pointBack(data),
    },
    {
      name: 'start',
      do: async ({ stopped }) => {
        tell('starting Open WebUI on PostgreSQL');
        await service.start();
        return stopped === undefined ? undefined : { outage: Date.now() - stopped };
      },
      undo: () => service.stop(),
    },
    {
      name: 'embed again',
      do: async (data) => {
        removeCopies(data);
        if (data.embedAgain) await embedAgain(data.embedAgain);
        return undefined;
      },
    },
  ];
}

type Tell = (text: string) => void;

function union(known: readonly OldServer[], found: readonly OldServer[]): OldServer[] {
  return [...new Map([...known, ...found].map((server) => [JSON.stringify(server), server])).values()];
}

/** An older version's file is migrated as a copy once more, which takes as long as the first time. */
function stopText({ outageSeconds, isOlder, copied }: MigrateData): string {
  const copying = isOlder ? (copied?.seconds ?? 0) : 0;
  const why = isOlder ? `, ${formatSeconds(copying)} of it to migrate what the old version has written` : '';
  const away = formatSeconds(outageSeconds + copying);
  return `stopping the old server: it finishes its answers. Open WebUI is away for about ${away}${why}`;
}

/** The file itself, where nobody writes it any more; or a copy, where it has to be finished or migrated first. */
async function sourceOfSecondPass(
  { data: python, signature }: Migration,
  data: MigrateData,
): Promise<string> {
  if (!data.isOlder && !isUnfinished(data.source)) return data.source;
  if (signature(data.source) === data.copied?.signature) return copyOf(data);
  await python.snapshot(data, laterCopyOf(data));
  return laterCopyOf(data);
}

/** Whether SQLite has to finish a write of a server that was killed first, and may not do so here. */
function isUnfinished(source: string): boolean {
  const has = (suffix: string) => (statOrUndefined(`${source}${suffix}`)?.size ?? 0) > 0;
  return has('-journal') || (has('-wal') && !isWritable(dirname(source)));
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** SQLite may have made two files beside each. */
function removeCopies({ folder }: MigrateData): void {
  for (const name of COPY_NAMES) {
    for (const suffix of ['', '-wal', '-shm', '-journal']) {
      rmSync(join(folder, `${name}${suffix}`), { force: true });
    }
  }
}

function tellFiles({ files, deleted }: FilesCopied, tell: Tell): void {
  tell(`files: ${files}${deleted > 0 ? `, ${deleted} deleted meanwhile` : ''}`);
}

function writtenMeanwhile({ source }: MigrateData): TuneError {
  return new TuneError(
    `somebody has written to ${source} while it was copied the second time: a server that was not found still runs`,
    EXIT.service,
    ['stop it, on another machine too, then run webui-tune migrate again'],
  );
}
