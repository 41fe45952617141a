/** `webui-tune migrate` on a real Open WebUI with data of every kind: there, killed on the way, and back. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../../src/base/errors.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { startUpstream } from '../../src/bench/scratch/upstream.ts';
import { APPS } from '../../src/runtime/contract.ts';
import { openWebuiEnvironment } from '../kit/environment.ts';
import { Installation } from '../kit/installation.ts';
import { type Answers, answersOf, askAboutDocument, readPaths } from '../kit/migrate/answers.ts';
import { makeData } from '../kit/migrate/make-data.ts';
import { databaseUrl, dataDirOf, OLD, onlineApps, startOld, untilServed } from '../kit/migrate/old-app.ts';
import { ADA, BEN, CLEO, DOCUMENT } from '../kit/migrate/people.ts';
import { sqliteSettings } from '../kit/migrate/sqlite-server.ts';
import { createDatabase } from '../kit/postgres.ts';
import { useScope } from '../kit/vitest.ts';

const TIMEOUT_MS = 300_000;
const WORKERS = 2;
const ASKING = [ADA, BEN, CLEO];

const scope = useScope();
let installation: Installation;
let paths: string[];
let answers: Answers;
/** A session and an API key from before. */
let session: OpenWebui;
let apiKey: string;

const online = () => onlineApps(installation);
const migrate = (...args: string[]) => installation.migrate(...args);

/** What is in a folder, but for the files that SQLite itself makes beside a database that is read. */
function contentsOf(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return Object.fromEntries(
    files
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => !/webui\.db-(?:shm|wal)$|\/\.pm2\//.test(path))
      .sort()
      .map((path) => [path, `${statSync(path).mtimeMs} ${digestOf(path)}`]),
  );
}

function digestOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

/** Runs a migration, and kills it in one of its steps. */
const killIn = (step: string) =>
  installation.runUntil(installation.migration('--yes'), step, (pid) => process.kill(pid, 'SIGKILL'));

async function expectTheSame(): Promise<void> {
  expect(await answersOf(installation.url, ASKING, paths)).toEqual(answers);
}

beforeAll(async () => {
  installation = await Installation.prepare(scope);
  const upstream = await startUpstream(scope);
  const settings = sqliteSettings(upstream);
  await installation.writeSettings(settings);
  await startOld(installation, settings);
  await makeData(installation.url);
  paths = await readPaths(installation.url);
  answers = await answersOf(installation.url, ASKING, paths);
  session = await OpenWebui.signIn(installation.url, BEN);
  apiKey = (await session.call<{ api_key: string }>('GET', '/api/v1/auths/api_key')).api_key;
}, TIMEOUT_MS);

describe.sequential('webui-tune migrate', () => {
  it('says what it would do, and does nothing', async () => {
    const before = contentsOf(installation.home);
    const { stdout, code } = await migrate('--dry-run');
    expect(stdout).toMatch(/^rows +[\d,]+ in \d+ tables/m);
    expect(stdout).toMatch(/^vectors +\d+ in \d+ collections/m);
    expect(stdout).toMatch(/^stopped +PM2’s old$/m);
    expect(stdout).toMatch(/^problems +none/m);
    expect(code).toBe(EXIT.ok);
    expect(contentsOf(installation.home)).toEqual(before);
  });

  it('is named by up, which would run one worker', async () => {
    const { stdout } = await installation.up('--dry-run');
    expect(stdout).toContain('SQLite, because it has data: one worker; for more: webui-tune migrate');
  });

  it('refuses a target that has rows, or no pgvector, before anything is changed', async () => {
    const { url } = await createDatabase(scope);
    const client = new Client({ connectionString: url });
    await client.connect();
    await client.query('CREATE TABLE "user" (id text); INSERT INTO "user" VALUES (1)');
    await client.end();
    const before = contentsOf(installation.home);
    const words = ['migrate', '--yes', '--python', openWebuiEnvironment().python];
    const { stderr, code } = await installation.runWith({ DATABASE_URL: url }, ...words);
    expect(stderr).toMatch(/the target has rows already|the target's server has no pgvector/);
    expect(code).toBe(EXIT.settings);
    expect(contentsOf(installation.home)).toEqual(before);
  });

  it('refuses a disk with too little room, before anything is changed', async () => {
    const small = await temporaryFolder(scope, 'small');
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'none', small]);
    scope.defer('the small disk', () => {
      execFileSync('umount', [small]);
    });
    const before = contentsOf(installation.home);
    const words = installation.migration('--yes', '--from', dataDirOf(installation));
    const { stderr, code } = await installation.runWith({ XDG_DATA_HOME: small }, ...words);
    expect(stderr).toMatch(/the disk of .* has 64 MiB left, and the migration needs \d+ MiB: /);
    expect(stderr).toContain('set XDG_DATA_HOME to a folder on a larger disk; nothing was changed');
    expect(code).toBe(EXIT.output);
    expect(contentsOf(installation.home)).toEqual(before);
    expect(await online()).toEqual([OLD]);
  });

  it(
    'that is killed in the outage is undone by one more command',
    async () => {
      await killIn('second pass');
      const resumed = await installation.run('resume');
      expect(resumed.stderr).toMatch(/the migration of .*webui\.db is undone/);
      expect(resumed.code).toBe(EXIT.ok);
      expect(await online()).toEqual([OLD]);
      expect(databaseUrl(installation)).toBeUndefined();
      await untilServed(installation);
      await expectTheSame();
    },
    TIMEOUT_MS,
  );

  it(
    'carries everything, and starts all workers',
    async () => {
      const { stdout, stderr, code } = await migrate('--yes');
      expect(stderr).toMatch(/the outage took \d+ s/);
      expect(code).toBe(EXIT.ok);
      expect(stdout).toMatch(/^user +4 +4 +equal$/m);
      expect(stdout).toMatch(/^collection file-.* +equal/m);
      expect(stdout).not.toContain('DIFFERENT');
      expect((await online()).filter((name) => name === APPS.cluster)).toHaveLength(WORKERS);
      expect(await online()).not.toContain(OLD);
      expect(stderr).not.toContain(installation.secret('DATABASE_URL'));
    },
    TIMEOUT_MS,
  );

  it(
    'goes back to SQLite where people have looked at the new one, and nobody has written',
    async () => {
      await expectTheSame();
      const { stderr, code } = await migrate('--back');
      expect(stderr).toContain(`Open WebUI uses ${join(dataDirOf(installation), 'webui.db')} again`);
      expect(code).toBe(EXIT.ok);
      expect(await online()).toContain(OLD);
      expect(await online()).not.toContain(APPS.cluster);
      expect(databaseUrl(installation)).toBeUndefined();
      await untilServed(installation);
      await expectTheSame();
    },
    TIMEOUT_MS,
  );

  it(
    'that is killed when it starts the workers is completed by one more command',
    async () => {
      await killIn('start');
      const resumed = await installation.run('resume');
      expect(resumed.stderr).toMatch(/the migration of .*webui\.db is completed/);
      expect(resumed.code).toBe(EXIT.ok);
      expect((await online()).filter((name) => name === APPS.cluster)).toHaveLength(WORKERS);
      expect(databaseUrl(installation)).toMatch(/^postgresql:/);
      await expectTheSame();
    },
    TIMEOUT_MS,
  );

  it('keeps sessions, API keys and documents', async () => {
    for (const token of [session.token, apiKey]) {
      const headers = { authorization: `Bearer ${token}` };
      const { status } = await fetch(`${installation.url}/api/v1/users/user/settings`, { headers });
      expect(status).toBe(200);
    }
    const ada = await OpenWebui.signIn(installation.url, ADA);
    expect(await askAboutDocument(ada)).toContain(DOCUMENT.answer);
  });

  it('goes back only where nobody has written since', async () => {
    const ben = await OpenWebui.signIn(installation.url, BEN);
    await ben.call('POST', '/api/v1/chats/new', { chat: { title: 'New' } });
    const { stderr, code } = await migrate('--back');
    expect(stderr).toMatch(/people have written in PostgreSQL since/);
    expect(stderr).toMatch(/^ +chat: 1 new or changed/m);
    expect(code).toBe(EXIT.service);
    expect(databaseUrl(installation)).toMatch(/^postgresql:/);
    expect((await online()).filter((name) => name === APPS.cluster)).toHaveLength(WORKERS);
  });

  it('drops its own tables once nobody wants to go back', async () => {
    const ours = async () => {
      const client = new Client({ connectionString: installation.secret('DATABASE_URL') });
      await client.connect();
      const { rows } = await client.query("SELECT 1 FROM pg_tables WHERE tablename LIKE 'webui_tune_%'");
      await client.end();
      return rows.length;
    };
    expect(await ours()).toBeGreaterThan(0);
    expect((await migrate('--done')).stderr).toContain('nobody is there to ask');
    expect(await ours()).toBeGreaterThan(0);
    const { stderr, code } = await migrate('--done', '--yes');
    expect(stderr).toMatch(/dropped \d+ tables of the migration/);
    expect(code).toBe(EXIT.ok);
    expect(await ours()).toBe(0);
    expect((await migrate('--back')).stderr).toContain('nothing was migrated here');
    const ben = await OpenWebui.signIn(installation.url, BEN);
    expect(await ben.call('GET', '/api/v1/chats/?page=1')).toContainEqual(
      expect.objectContaining({ title: 'New' }),
    );
  });
});
