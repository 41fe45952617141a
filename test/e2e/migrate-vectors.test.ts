/** Chroma's collections in pgvector: all of them, the same for Open WebUI's own clients, whatever happens on the way. */
import { createHash } from 'node:crypto';
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { Client } from 'pg';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { KIB, MIB } from '../../src/base/units.ts';
import { startChroma } from '../../src/bench/scratch/chroma.ts';
import { readVectorIndex } from '../../src/doctor/read/vector-index.ts';
import { startEmbeddedPostgres } from '../kit/embedded-postgres.ts';
import { openWebuiEnvironment, ROOT } from '../kit/environment.ts';
import { OLDER_VERSIONS, unpackData } from '../kit/migrate/kept-data.ts';
import { DOCUMENT } from '../kit/migrate/people.ts';
import { settingsOf } from '../kit/settings-of.ts';
import { useScope } from '../kit/vitest.ts';

/** Chunks of the largest collection: Chroma writes its index after every thousand. */
const LARGE = 3_000;
const PATIENT = { timeout: 600_000 };

/** Of files, knowledge and users, in the names of collections. */
const UUID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/;

const KIT = join(ROOT, 'test', 'migrate', 'kit');
const { python } = openWebuiEnvironment();

interface Answer {
  type: string;
  [field: string]: unknown;
}
/** For each question, the rows that were found: id, text, metadata, distance. */
type BothAnswers = Record<'chroma' | 'pgvector', unknown[][]>;
interface Collection {
  collection: string;
  vectors: number;
  inserted: number;
  updated: number;
  deleted: number;
  mended: number;
  aside: number;
  reason: string | null;
}

const scope = useScope();
let folder: string;
let dataDir: string;
let database: string;

beforeAll(async () => {
  folder = await temporaryFolder(scope, 'vectors');
  dataDir = join(folder, 'data');
  ({ url: database } = await startEmbeddedPostgres(scope));
  await fill('first', join(dataDir, 'vector_db'), LARGE);
}, 300_000);

const fill = (what: string, place: string, ...rest: number[]) =>
  execa(python, [join(KIT, 'chroma_folder.py'), what, place, ...rest.map(String)], {
    env: { HOME: folder },
  });

/** Every test begins with an empty database and an unchanged source. */
let source: string;
let number = 0;
beforeEach(async () => {
  source = join(folder, `source-${++number}`);
  cpSync(dataDir, source, { recursive: true });
  await onDatabase('DROP TABLE IF EXISTS document_chunk, webui_tune_migration_vectors');
});

async function onDatabase(sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: database });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

function start(command: string, request: object = {}) {
  const input = {
    env: {},
    folder: join(source, 'vector_db'),
    target: database,
    work: join(folder, 'work'),
    report: join(folder, 'report.jsonl'),
    ...request,
  };
  return execa(python, ['-m', 'webui_migrate', command], {
    env: { PYTHONPATH: join(ROOT, 'src', 'setup', 'migrate'), HOME: folder },
    input: JSON.stringify(input),
    reject: false,
  });
}

async function ask(command: string, request?: object): Promise<Answer[]> {
  const { stdout, stderr } = await start(command, request);
  const answers = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Answer);
  if (answers.length === 0) throw new Error(`${command}: ${stderr}`);
  return answers;
}

async function result(command: string, request?: object): Promise<Answer> {
  const last = (await ask(command, request)).at(-1);
  if (last?.type !== 'result') throw new Error(`${command}: ${JSON.stringify(last)}`);
  return last;
}

async function copy(pass: 1 | 2, request: object = {}): Promise<Record<string, Collection>> {
  return byName(await result('vectors-copy', { pass, ...request }));
}

function byName({ collections }: Answer): Record<string, Collection> {
  return Object.fromEntries((collections as Collection[]).map((found) => [found.collection, found]));
}

/** What differs, by collection; all of those that were not carried have a reason. */
async function differences(request?: object): Promise<string[]> {
  const { collections } = await result('vectors-verify', request);
  return (collections as { collection: string; equal: boolean; reason: string | null }[])
    .filter(({ equal, reason }) => !equal && reason === null)
    .map(({ collection }) => collection);
}

function digest(path: string): string {
  const hash = createHash('sha256');
  const entries = readdirSync(path, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  for (const file of files.sort()) hash.update(file).update(readFileSync(file));
  return hash.digest('hex');
}

describe('collections of a local folder', () => {
  it('are looked at, and what the target needs for the longest', async () => {
    const before = digest(source);
    const look = await result('vectors-look');
    expect(look).toMatchObject({
      store: 'chroma',
      vectors: LARGE + 1_200 + 5 + 7 + 3 + 4 + 3 + 4 + 3,
      settings: { PGVECTOR_INITIALIZE_MAX_VECTOR_LENGTH: '2048', PGVECTOR_USE_HALFVEC: 'true' },
    });
    expect(look.collections).toContainEqual({ name: 'file-large', vectors: LARGE, dimensions: 384 });
    expect(look.collections).toContainEqual({ name: 'file-empty', vectors: 0, dimensions: null });
    expect(digest(source)).toBe(before);
    expect(await result('vectors-look', { env: { VECTOR_DB: 'qdrant' } })).toMatchObject({
      store: 'qdrant',
      collections: [],
    });
    expect(await result('vectors-look', { folder: join(folder, 'nowhere') })).toMatchObject({ source: null });
  });

  it('are carried, and only what has changed since a second time', PATIENT, async () => {
    const before = digest(source);
    const answers = await ask('vectors-copy', { pass: 1 });
    const first = answers.at(-1) as Answer & { collections: Collection[] };
    expect(first.collections.filter(({ reason }) => reason)).toEqual([
      expect.objectContaining({
        collection: 'file-too-long',
        reason: expect.stringContaining('2048 numbers'),
      }),
    ]);
    expect(first.reindex).toEqual([
      { method: 'POST', path: '/api/v1/retrieval/process/file', body: { file_id: 'too-long' } },
    ]);
    expect(await differences()).toEqual([]);
    expect(digest(source)).toBe(before);
    const findings = answers.filter(({ type }) => type === 'finding');
    expect(findings.map(({ table, column, problem, action }) => [table, column, problem, action])).toEqual([
      ['file-by-l2', null, 'distance', 'changed'],
      ['file-nul', 'text', 'nul', 'changed'],
      ['file-nul', 'vmetadata', 'nul', 'changed'],
      ['file-too-long', null, 'dimensions', 'left'],
      ['file-twin-b', 'id', 'duplicate', 'changed'],
    ]);
    const report = () => readFileSync(join(folder, 'report.jsonl'), 'utf8').trim().split('\n').sort();
    const told = report();
    expect(told).toHaveLength(findings.length);
    expect(told.join()).toContain('before\\\\x00after');
    expect(await onDatabase("SELECT text FROM document_chunk WHERE collection_name = 'file-nul'")).toEqual([
      { text: 'beforeafter' },
    ]);

    await fill('second', join(source, 'vector_db'));
    const again = await ask('vectors-copy', { pass: 2 });
    // Three of the small one, three new ones, two of the large one, three that are too long, and two beside the NUL.
    expect(again.findLast(({ type }) => type === 'progress')).toMatchObject({ total: 3 + 3 + 2 + 3 + 2 });
    const second = byName(again.at(-1) as Answer);
    expect(second['file-large']).toMatchObject({ vectors: LARGE, inserted: 1, updated: 1, deleted: 1 });
    expect(second['file-small']).toMatchObject({ vectors: 6, inserted: 2, updated: 1, deleted: 1 });
    expect(second['file-gone']).toMatchObject({ vectors: 0, deleted: 3 });
    expect(second['file-new']).toMatchObject({ vectors: 3, inserted: 3 });
    const touched = Object.values(second).filter(
      (found) => found.inserted + found.updated + found.deleted > 0,
    );
    expect(touched).toHaveLength(5);
    expect(await differences()).toEqual([]);
    expect(report()).toEqual(told);
  });

  it('are noticed where they differ beside what has changed', PATIENT, async () => {
    await copy(1);
    expect(await differences()).toEqual([]);
    await fill('second', join(source, 'vector_db'));
    await copy(2);
    await onDatabase("UPDATE document_chunk SET text = 'other' WHERE id = 'file-large-77'");
    await onDatabase("UPDATE document_chunk SET text = 'other' WHERE id = 'file-small-1'");
    await onDatabase("DELETE FROM document_chunk WHERE id = 'plain'");
    expect(await differences()).toEqual(['file-large', 'file-nul', 'file-small']);
    await copy(2);
    expect(await differences()).toEqual([]);
  });

  it('are found by Open WebUI’s own client as in Chroma', PATIENT, async () => {
    await copy(1);
    const vector = Array.from({ length: 384 }, (_, i) => Math.sin(i));
    const names = ['file-large', 'file-small', 'file-short', 'file-twin-a', 'file-same'];
    const questions = [
      ...names.map((collection) => ({
        collection,
        vector: collection === 'file-short' ? vector.slice(0, 16) : vector,
      })),
      { collection: 'file-small', filter: { file_id: 'x' } },
    ];
    const { stdout } = await execa(python, [join(KIT, 'search_both.py')], {
      input: JSON.stringify(questions),
      env: {
        HOME: folder,
        DATA_DIR: source,
        STATIC_DIR: join(folder, 'static'),
        DATABASE_URL: database,
        ENABLE_DB_MIGRATIONS: 'false',
        FROM_INIT_PY: 'true',
        WEBUI_SECRET_KEY: 'of no one',
      },
    });
    const line = stdout.split('\n').find((text) => text.startsWith('answers: ')) ?? '';
    const { chroma, pgvector } = JSON.parse(line.slice('answers: '.length)) as BothAnswers;
    expect(chroma.map((rows) => rows.length)).toEqual([5, 5, 4, 1, 5, 5]);
    // Chroma's index of the large one is approximate, so pgvector finds as near ones or nearer ones.
    const scores = (rows: unknown[] | undefined) =>
      (rows ?? []).map((row) => (row as unknown[])[3] as number);
    const theirs = scores(chroma[0]);
    expect(scores(pgvector[0]).filter((score, i) => score < (theirs[i] ?? Number.NaN))).toEqual([]);
    expect(pgvector.slice(1)).toEqual(chroma.slice(1));
  });

  it('are whole after each kill', PATIENT, async () => {
    const seed = Date.now() % 100_000;
    process.stderr.write(`migrate-vectors: kills by seed ${seed}\n`);
    for (let kill = 0; kill < 4; kill++) {
      const running = start('vectors-copy', { pass: 1 });
      // Each at another moment: before the table, within the largest collection, after it.
      const afterMs = 500 + ((seed * (kill + 1) * 7_919) % 9_000);
      const ended = await Promise.race([running, sleep(afterMs)]);
      if (ended === undefined && running.pid !== undefined) process.kill(running.pid, 'SIGKILL');
      await running;
    }
    await copy(2);
    expect(await differences()).toEqual([]);
  });

  it('are carried in half the precision, too long ones too', PATIENT, async () => {
    const env = { PGVECTOR_INITIALIZE_MAX_VECTOR_LENGTH: '2048', PGVECTOR_USE_HALFVEC: 'true' };
    const copied = await copy(2, { env });
    expect(Object.values(copied).filter(({ reason }) => reason)).toEqual([]);
    expect(await differences({ env })).toEqual([]);
  });

  it('are not carried over what others have written', PATIENT, async () => {
    await onDatabase(
      'CREATE TABLE document_chunk (id text PRIMARY KEY, vector vector(1536), collection_name text, text text, vmetadata jsonb)',
    );
    await onDatabase("INSERT INTO document_chunk VALUES ('theirs', NULL, 'file-theirs', 'x', '{}')");
    expect((await ask('vectors-copy', { pass: 1 })).at(-1)).toMatchObject({
      type: 'error',
      code: 'target-not-empty',
    });
    expect(await onDatabase('SELECT id FROM document_chunk')).toEqual([{ id: 'theirs' }]);
  });

  it('are noticed where they differ', PATIENT, async () => {
    await copy(1);
    await onDatabase("UPDATE document_chunk SET text = 'other' WHERE id = 'file-same-1'");
    await onDatabase(
      "UPDATE document_chunk SET vector = (SELECT vector FROM document_chunk WHERE id = 'file-large-78') WHERE id = 'file-large-77'",
    );
    await onDatabase(
      "UPDATE document_chunk SET vmetadata = vmetadata || '{\"page\": 4}' WHERE id = 'file-small-2'",
    );
    await onDatabase("DELETE FROM document_chunk WHERE id = 'file-short-0'");
    expect(await differences()).toEqual(['file-large', 'file-same', 'file-short', 'file-small']);
    await copy(2);
    expect(await differences()).toEqual([]);
  });
});

it.each(OLDER_VERSIONS)('collections that Open WebUI %s made are carried', PATIENT, async (version) => {
  source = join(folder, version);
  await unpackData(version, source);
  const copied = Object.values(await copy(1));
  expect(copied.map(({ reason }) => reason)).toEqual(copied.map(() => null));
  expect(copied.map(({ collection }) => collection.replace(UUID, '…')).sort()).toEqual([
    'file-…',
    'file-…',
    'file-…',
    'knowledge-bases',
    'user-memory-…',
    'user-memory-…',
    'user-memory-…',
    '…',
  ]);
  expect(await differences()).toEqual([]);
  const found = await onDatabase(
    "SELECT text FROM document_chunk WHERE vmetadata->>'name' = 'windhaven.txt'",
  );
  // The file's own collection, and that of the knowledge.
  expect(found).toEqual([{ text: DOCUMENT.text }, { text: DOCUMENT.text }]);
});

it('collections of a Chroma server are carried too', PATIENT, async () => {
  const { port } = await startChroma(scope, python);
  await fill('first', `http://127.0.0.1:${port}`, 300);
  const env = { CHROMA_HTTP_HOST: '127.0.0.1', CHROMA_HTTP_PORT: `${port}` };
  expect(await result('vectors-look', { env })).toMatchObject({ source: `127.0.0.1:${port}` });
  const copied = await copy(1, { env });
  expect(copied['file-large']).toMatchObject({ vectors: 300, inserted: 300 });
  expect(await differences({ env })).toEqual([]);
  await fill('second', `http://127.0.0.1:${port}`);
  expect((await copy(2, { env }))['file-small']).toMatchObject({ inserted: 2, updated: 1, deleted: 1 });
  expect(await differences({ env })).toEqual([]);
  expect((await ask('vectors-look', { env: { ...env, CHROMA_HTTP_PORT: '1' } })).at(-1)).toMatchObject({
    code: 'chroma-unreachable',
  });
});

it('an index of vectors takes as much memory as the doctor says', PATIENT, async () => {
  const env = { PGVECTOR_INITIALIZE_MAX_VECTOR_LENGTH: '64' };
  await onDatabase('CREATE TABLE document_chunk (vector vector(64))');
  await onDatabase(
    `INSERT INTO document_chunk SELECT (SELECT array_agg(random()) FROM generate_series(1, 64) WHERE i > 0)::vector
     FROM generate_series(1, 12000) AS i`,
  );
  const settings = settingsOf({ DATABASE_URL: database });
  const ask = () => readVectorIndex(settings, new Map(Object.entries(env)));
  const before = await ask();
  expect(before).toMatchObject({ isMade: false, allowed: 256 * MIB });
  const make = (kib: number) =>
    onDatabase(`SET maintenance_work_mem = '${kib}kB'; CREATE INDEX idx_document_chunk_vector ON document_chunk
      USING ivfflat (vector vector_cosine_ops) WITH (lists = 100)`);
  const kib = Math.ceil((before?.needed ?? 0) / KIB);
  await expect(make(Math.floor(0.98 * kib))).rejects.toThrow('memory required is 7 MB');
  await make(kib);
  expect(await ask()).toMatchObject({ isMade: true });
});
