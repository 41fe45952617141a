/** `webui-tune migrate` with data that older versions made: the same answers as Open WebUI gives on SQLite itself. */
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../../src/base/errors.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { OneConnection } from '../../src/bench/client/http.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { EMBEDDING_MODEL, startUpstream, type Upstream } from '../../src/bench/scratch/upstream.ts';
import { Installation } from '../kit/installation.ts';
import { type Answers, answersOf, anywhere, askAboutDocument, readPaths } from '../kit/migrate/answers.ts';
import { nameUploads, OLDER_VERSIONS, unpackData } from '../kit/migrate/kept-data.ts';
import { ADA, BEN, CLEO, DOCUMENT } from '../kit/migrate/people.ts';
import { sqliteSettings, startSqliteServer } from '../kit/migrate/sqlite-server.ts';
import { useScope } from '../kit/vitest.ts';

const TIMEOUT_MS = 900_000;
const ASKING = [ADA, BEN, CLEO];

const scope = useScope();
let upstream: Upstream;

/** What Open WebUI makes for whoever asks for it and has none: a calendar, and the chat of a note. */
const MADE_UP = /^\/api\/v1\/(?:calendars\/|notes\/[^/]+\/chats?$)/;

/**
 * Without what differs between two migrations of one file: the folder of the uploads, ids that Open WebUI's own migrations
 * draw for the first versions of functions and models, and what is made up for a person who asks.
 */
function comparable(answers: Answers): unknown {
  const text = JSON.stringify(anywhere(answers));
  const drawn = new Set([...text.matchAll(/"version_id":"([^"]+)"/g)].map(([, id]) => id));
  let same = text;
  for (const [index, id] of [...drawn].entries()) same = same.replaceAll(`"${id}"`, `"version ${index}"`);
  const kept = Object.entries(JSON.parse(same) as Answers).map(([person, of]) => [
    person,
    Object.fromEntries(Object.entries(of).filter(([path]) => !MADE_UP.test(path))),
  ]);
  return Object.fromEntries(kept);
}

beforeAll(async () => {
  upstream = await startUpstream(scope);
});

describe.sequential.each(OLDER_VERSIONS)('data of Open WebUI %s', (version) => {
  let installation: Installation;
  let paths: string[];
  let before: Answers;
  let folder: string;

  beforeAll(async () => {
    folder = join(await temporaryFolder(scope, 'older'), 'data');
    await unpackData(version, folder);
    // The comparison: today's version on a copy of the same files.
    const copy = `${folder}-on-sqlite`;
    await cp(folder, copy, { recursive: true });
    await nameUploads(copy);
    const server = await startSqliteServer(scope, copy, upstream);
    paths = await readPaths(server.url);
    before = await answersOf(server.url, ASKING, paths);
    await server.process.stop();
    installation = await Installation.prepare(scope);
    await installation.writeSettings(sqliteSettings(upstream));
  }, TIMEOUT_MS);

  it(
    'gives every person the same answers from PostgreSQL',
    async () => {
      const { stdout, stderr, code } = await installation.migrate('--yes', '--from', folder);
      expect([code, stderr]).toEqual([EXIT.ok, expect.anything()]);
      expect(stdout).not.toContain('DIFFERENT');
      const after = await answersOf(installation.url, ASKING, paths);
      expect(comparable(after)).toEqual(comparable(before));
    },
    TIMEOUT_MS,
  );

  it('finds a document that was embedded by the older version', async () => {
    const ada = await OpenWebui.signIn(installation.url, ADA);
    // Its database names the server of embeddings of that time. One connection: the other worker follows in seconds.
    const agent = new OneConnection();
    scope.defer('connection', () => agent.destroy());
    await ada.call(
      'POST',
      '/api/v1/retrieval/embedding/update',
      {
        RAG_EMBEDDING_ENGINE: 'openai',
        RAG_EMBEDDING_MODEL: EMBEDDING_MODEL,
        openai_config: { url: upstream.url, key: 'sk-of-no-one' },
      },
      agent,
    );
    expect(await askAboutDocument(ada, agent)).toContain(DOCUMENT.answer);
  });
});
