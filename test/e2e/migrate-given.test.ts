/** `webui-tune migrate` from a data folder to a PostgreSQL that is given, with vectors that cannot be carried. */
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../../src/base/errors.ts';
import { startProcess } from '../../src/base/io/started.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { until } from '../../src/base/io/wait.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { startUpstream } from '../../src/bench/scratch/upstream.ts';
import { SERVICE_APPS } from '../../src/facts/embedded/apps.ts';
import { APPS } from '../../src/runtime/contract.ts';
import { findHolders } from '../../src/setup/migrate/old-server.ts';
import { Cgroup } from '../kit/cgroup.ts';
import { startEmbeddedPostgres } from '../kit/embedded-postgres.ts';
import { openWebuiEnvironment } from '../kit/environment.ts';
import { Installation } from '../kit/installation.ts';
import { askAboutDocument } from '../kit/migrate/answers.ts';
import { makeData } from '../kit/migrate/make-data.ts';
import { ADA, BEN, CLEO, DOCUMENT } from '../kit/migrate/people.ts';
import { sqliteSettings, startSqliteServer } from '../kit/migrate/sqlite-server.ts';
import { useScope } from '../kit/vitest.ts';

const TIMEOUT_MS = 600_000;
const CONTAINER = '0123456789ab'.padEnd(64, 'c');

/** All embeddings of collections that have not had a thousand chunks: Chroma has them in its log alone. */
const LOSE_EMBEDDINGS = `
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as database:
    database.execute("DELETE FROM embeddings_queue")
`;

const scope = useScope();
let installation: Installation;
let dataDir: string;
let target: string;

const migrate = () => installation.migrate('--yes', '--from', dataDir, '--to', target);

beforeAll(async () => {
  const upstream = await startUpstream(scope);
  dataDir = join(await temporaryFolder(scope, 'given'), 'data');
  const server = await startSqliteServer(scope, dataDir, upstream);
  await makeData(server.url);
  await server.process.stop();
  const database = join(dataDir, 'vector_db', 'chroma.sqlite3');
  await execa(openWebuiEnvironment().python, ['-c', LOSE_EMBEDDINGS, database]);
  ({ url: target } = await startEmbeddedPostgres(scope));
  installation = await Installation.prepare(scope);
  await installation.writeSettings(sqliteSettings(upstream));
}, TIMEOUT_MS);

describe.sequential('webui-tune migrate --to', () => {
  it(
    'names the container that has the file open, which only the user can stop',
    async (context) => {
      const group = Cgroup.make(scope, `docker-${CONTAINER}`, { memory: 2 ** 30 });
      if (!group) return context.skip('this machine lets nobody make a control group');
      const source = join(dataDir, 'webui.db');
      const holder = await group.inside(() =>
        startProcess(scope, 'tail', ['--follow', source], { log: join(dataDir, '..', 'holder.log') }),
      );
      await until(() => findHolders(source).length === 1, {
        what: 'the file is open',
        timeoutMs: TIMEOUT_MS,
      });
      const { stderr, code } = await migrate();
      expect(stderr).toContain(`the container ${CONTAINER.slice(0, 12)} has ${source} open`);
      expect(stderr).toContain(`docker stop ${CONTAINER.slice(0, 12)}`);
      expect(code).toBe(EXIT.service);
      expect(await installation.pm2.list()).toEqual([]);
      await holder.stop();
    },
    TIMEOUT_MS,
  );

  it(
    'carries everything into the database that is given, and sets up no other',
    async () => {
      const { stdout, stderr, code } = await migrate();
      expect([code, stderr]).toEqual([EXIT.ok, expect.anything()]);
      expect(stdout).toMatch(/^user +4 +4 +equal$/m);
      expect(stdout).not.toContain('DIFFERENT');
      expect(stderr).not.toContain(target);
      expect(installation.secret('DATABASE_URL')).toBe(target);
      const processes = await installation.processes();
      expect(processes.get(APPS.cluster)).toHaveLength(2);
      expect(processes.has(SERVICE_APPS.postgres)).toBe(false);
      expect(stderr).toContain('Open WebUI embeds again what could not be carried');
      expect(stderr).not.toContain('not embedded again');
    },
    TIMEOUT_MS,
  );

  it('has Open WebUI embed again what could not be carried', async () => {
    const ada = await OpenWebui.signIn(installation.url, ADA);
    expect(await askAboutDocument(ada)).toContain(DOCUMENT.answer);
    for (const person of [ADA, BEN, CLEO]) {
      const ui = await OpenWebui.signIn(installation.url, person);
      const found = await ui.call('POST', '/api/v1/memories/query', { content: 'Who likes tea?' });
      expect(JSON.stringify(found)).toContain(`${person.name} lives in Windhaven`);
    }
    const ben = await OpenWebui.signIn(installation.url, BEN);
    const { items } = await ben.call<{ items: { id: string }[] }>('GET', '/api/v1/files/');
    expect((await ben.query(`file-${items[0]?.id}`, 'goats on the cliff')).join()).toContain('seven goats');
  });
});
