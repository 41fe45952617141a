/** One command on a machine with Node and Python alone, and what a person does then. */
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { basename, join } from 'node:path';
import pg from 'pg';
import { createClient } from 'redis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../../src/base/errors.ts';
import { until } from '../../src/base/io/wait.ts';
import { readProcess } from '../../src/base/machine/process-table.ts';
import { connectTo } from '../../src/bench/client/connections.ts';
import { request } from '../../src/bench/client/http.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import {
  CHAT_MODEL,
  EMBEDDING_MODEL,
  startUpstream,
  type Upstream,
  wholeAnswer,
} from '../../src/bench/scratch/upstream.ts';
import { SERVICE_APPS } from '../../src/facts/embedded/apps.ts';
import { packagesFolder } from '../../src/facts/embedded/packages.ts';
import { APPS } from '../../src/runtime/contract.ts';
import { ChatPage, startBrowser } from '../kit/browser.ts';
import { crowding } from '../kit/crowding.ts';
import { type CommandResult, Installation, WITH_PIP } from '../kit/installation.ts';
import { PATIENCE_MS } from '../kit/patience.ts';
import { freePort } from '../kit/ports.ts';
import { parseExposition } from '../kit/prometheus.ts';
import { useScope } from '../kit/vitest.ts';

const WORKERS = 2;
const EMAIL = 'admin@example.org';
/** Milliseconds of a run that has nothing to do. */
const SECOND_RUN = 5_000;
/** Milliseconds from an empty home to workers that serve, pip's own time aside. */
const FIRST_RUN = 120_000;
/** Milliseconds of a test that starts all of it. */
const START_TIMEOUT = WITH_PIP ? 1_500_000 : 300_000;

const scope = useScope();
let installation: Installation;
let upstream: Upstream;
let first: CommandResult;
let metricsPort: number;

const up = (...args: string[]) => installation.up('--workers', `${WORKERS}`, '--admin-email', EMAIL, ...args);
const credentials = () => ({ email: EMAIL, password: installation.secret('WEBUI_ADMIN_PASSWORD') });

beforeAll(async () => {
  installation = await Installation.prepare(scope);
  upstream = await startUpstream(scope);
  metricsPort = await freePort();
});

/**
 * Files below a folder, with what would show that one was written; without those of what PM2 starts by the clock, what workers
 * write of themselves as they serve, and what is noted of the memory that they take, which grows.
 */
function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !/\/(?:postgres|valkey|logs|cache|__pycache__|run)\//.test(path))
    .filter((path) => !path.includes(`/pids/${APPS.logrotate}-`) && !path.includes('/measurements/'))
    .map((path) => `${path} ${statSync(path).mtimeMs}`)
    .sort();
}

describe.sequential('webui-tune up', () => {
  it('lists every step, and does none, with --dry-run', async () => {
    const { code, stdout } = await up('--dry-run');
    expect(code).toBe(EXIT.ok);
    expect(stdout.split('\n').map((line) => line.slice(0, 1))).toEqual([
      ...[WITH_PIP ? '•' : '✓', '•', '•', '•', '•', '•', '•', '•', '•', '✓', '✓'],
    ]);
    expect(readdirSync(installation.home)).toEqual([]);
  });

  it(
    'goes from an empty home to workers that serve',
    async () => {
      await installation.writeSettings({
        OPENAI_API_BASE_URL: upstream.url,
        OPENAI_API_KEY: 'sk-test-key-of-up',
        ENABLE_OLLAMA_API: 'false',
        DEFAULT_MODELS: CHAT_MODEL,
        RAG_EMBEDDING_ENGINE: 'openai',
        RAG_EMBEDDING_MODEL: EMBEDDING_MODEL,
        RAG_OPENAI_API_BASE_URL: upstream.url,
        RAG_OPENAI_API_KEY: 'sk-test-key-of-up',
        HF_HUB_OFFLINE: '1',
        OFFLINE_MODE: 'true',
      });
      // What a run leaves that was killed half-way.
      const services = join(installation.folder, 'services');
      for (const name of ['postgres.unfinished', `${basename(packagesFolder(services))}.unfinished`]) {
        mkdirSync(join(services, name, 'half'), { recursive: true });
      }
      first = await up('--metrics', `${metricsPort}`);
      expect(first.stderr + first.stdout).toContain(installation.url);
      // Every step is listed before the first of them is done.
      expect(first.stderr).toMatch(
        /^[•✓] Open WebUI .*\n(?:[•✓ ] .*\n)+(?:as root: .*\n)?\nno terminal to ask on: continuing/,
      );
      // However long a step takes, it is not silent for long.
      const serving = Number(/^✓ serving .* \(([\d.]+) s\)$/m.exec(first.stderr)?.[1]);
      const told = [...first.stderr.matchAll(/^ {2}serving: .+ \(\d+ s\)$/gm)];
      expect(told.length).toBeGreaterThanOrEqual(Math.floor(serving / 10) - 1);
      expect(first.stderr).toMatch(/^✓ model +yours: documents are embedded by openai$/m);
      expect(first.code).toBe(EXIT.ok);
      expect(first.stdout.trim()).toBe(installation.url);
      const apps = await installation.processes();
      // Backups by themselves are asked for, and so is a range of workers.
      const asked: readonly string[] = [APPS.backup, APPS.scale];
      const expected = [...Object.values(APPS), ...Object.values(SERVICE_APPS)];
      expect([...apps.keys()].sort()).toEqual(expected.filter((name) => !asked.includes(name)).sort());
      expect(apps.get(APPS.cluster)).toHaveLength(WORKERS);
      for (const { name, pm2_env } of [...apps.values()].flat()) {
        // This one has run, and will run again.
        expect([name, pm2_env.status]).toEqual([name, name === APPS.logrotate ? 'stopped' : 'online']);
      }
    },
    START_TIMEOUT,
  );

  it('takes little beside what pip takes', () => {
    const pip = [...first.stderr.matchAll(/; pip took ([\d.]+) s/g)].map(([, took]) => Number(took) * 1000);
    // That of the services, and Open WebUI's.
    expect(pip).toHaveLength(WITH_PIP ? 2 : 1);
    const beyond = first.took - pip.reduce((sum, took) => sum + took, 0);
    const [all, ours] = [first.took, beyond].map((ms) => (ms / 1000).toFixed(1));
    process.stderr.write(`${first.stderr}up took ${all} s, ${ours} of them beyond pip's own\n`);
    expect(beyond).toBeLessThan(FIRST_RUN * crowding());
  });

  it('changes nothing when run again, and takes no time for it', async () => {
    const state = async () => new Set([...filesOf(installation.folder), ...(await pids())]);
    const before = await state();
    const runs = [await up(), await up(), await up()];
    for (const { code, stdout } of runs) expect([code, stdout.trim()]).toEqual([EXIT.ok, installation.url]);
    const after = await state();
    expect([...before].filter((one) => !after.has(one))).toEqual([]);
    expect([...after].filter((one) => !before.has(one))).toEqual([]);
    // The best of three: what else the machine does is not what is measured.
    const best = Math.min(...runs.map(({ took }) => took));
    process.stderr.write(`a second up took ${(best / 1000).toFixed(2)} s\n`);
    expect(best).toBeLessThan(SECOND_RUN * crowding());
  });

  it('tells Prometheus of its workers, as it was asked to in the first run', async () => {
    const serving = async () => {
      const { body } = await request(`http://127.0.0.1:${metricsPort}/metrics`);
      return parseExposition(body).value('workers', { state: 'serving' });
    };
    expect(await serving()).toBe(WORKERS);
  });

  it('keeps secrets to itself', async () => {
    const secrets = ['WEBUI_SECRET_KEY', 'WEBUI_ADMIN_PASSWORD'].map((name) => installation.secret(name));
    for (const url of ['DATABASE_URL', 'REDIS_URL']) secrets.push(new URL(installation.secret(url)).password);
    expect(secrets.every((secret) => secret.length >= 16)).toBe(true);
    const texts = [first.stdout, first.stderr, await installation.pm2.run('jlist')];
    const logs = join(installation.pm2.home, 'logs');
    for (const name of readdirSync(logs)) texts.push(readFileSync(join(logs, name), 'utf8'));
    texts.push(readFileSync(join(installation.folder, 'ecosystem.config.js'), 'utf8'));
    for (const { pid } of installation.pm2.processes())
      texts.push(readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
    for (const secret of secrets) expect(texts.filter((text) => text.includes(secret))).toEqual([]);
    const services = join(installation.folder, 'services');
    for (const path of [installation.secretsFile, join(services, 'passwords.json')]) {
      expect(statSync(path).mode & 0o777).toBe(0o600);
    }
    expect(statSync(join(services, 'postgres')).mode & 0o777).toBe(0o700);
    expect(statSync(join(services, 'valkey.conf')).mode & 0o007).toBe(0);
  });

  it('runs neither service as root, nor for other machines', async () => {
    for (const name of Object.values(SERVICE_APPS)) {
      const status = readFileSync(`/proc/${await installation.servicePid(name)}/status`, 'utf8');
      expect(Number(/^Uid:\s+(\d+)/m.exec(status)?.[1])).not.toBe(0);
    }
    for (const url of ['DATABASE_URL', 'REDIS_URL']) {
      const port = Number(new URL(installation.secret(url)).port)
        .toString(16)
        .toUpperCase()
        .padStart(4, '0');
      const listening = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((path) =>
        readFileSync(path, 'utf8')
          .split('\n')
          .map((line) => line.trim().split(/\s+/))
          .filter(([, local, , state]) => state === '0A' && local?.endsWith(`:${port}`)),
      );
      expect(listening.map(([, local]) => local)).toEqual([`0100007F:${port}`]);
    }
  });
});

async function pids(): Promise<string[]> {
  const apps = (await installation.pm2.list()).filter(({ name }) => name !== APPS.logrotate);
  return apps.map(({ name, pid, pm2_env }) => `${name} ${pid} ${pm2_env.restart_time}`);
}

const DOCUMENT = 'The code word of the harbour is pelican.';
let chatAddress: string;

describe.sequential('a person', () => {
  it('signs in, chats, and asks about a document, in a browser', async () => {
    const browser = await startBrowser(scope);
    const chat = await ChatPage.signIn(browser, installation.url, { ...credentials(), isFirst: true });
    await chat.ask('good morning', wholeAnswer('good morning', upstream.pace));
    chatAddress = chat.page.url();
    expect(chatAddress).toMatch(/\/c\/[0-9a-f-]{36}$/);
    await chat.page.goto(installation.url);
    await chat.attach('notes.txt', DOCUMENT);
    // The upstream repeats what it is given: the question with what was found.
    upstream.pace = { tokens: 1, pauseMs: 0 };
    await chat.ask('What is the code word?', DOCUMENT);
    await chat.page.getByText('1 Source').first().waitFor();
    upstream.pace = { tokens: 20, pauseMs: 5 };
    const folder = process.env.WEBUI_TUNE_TEST_SCREENSHOTS ?? installation.home;
    const screenshot = await chat.page.screenshot({ path: join(folder, 'chat-with-document.png') });
    expect(screenshot.length).toBeGreaterThan(10_000);
    await browser.close();
  });

  it('chats through every worker', () => chatThroughEveryWorker());
});

/** `arrivalMs`: for how long the page may not have heard of an answer that is generated. */
async function chatThroughEveryWorker(arrivalMs = Number.POSITIVE_INFINITY): Promise<void> {
  const ui = await OpenWebui.signIn(installation.url, credentials());
  const page = await ui.connectSocket(scope);
  const workers = await installation.workerPids();
  expect(new Set(workers).size).toBe(WORKERS);
  const processes = () => workers.flatMap((pid) => readProcess(pid) ?? []);
  try {
    for (const pid of workers) {
      const agent = await connectTo((owner) => owner === pid, installation, processes);
      try {
        const prompt = `through ${pid}`;
        const answer = await ui.chat(page, prompt, { agent, arrivalMs });
        expect(answer.text).toBe(wholeAnswer(prompt, upstream.pace));
        expect(agent.opened).toBe(1);
      } finally {
        agent.destroy();
      }
    }
  } finally {
    page.close();
  }
}

describe.sequential('kill -9', () => {
  it('of PostgreSQL under load loses nothing that was committed', async () => {
    const connectionString = installation.secret('DATABASE_URL');
    const committed: number[] = [];
    let failed = false;
    const client = new pg.Client({ connectionString });
    client.on('error', () => {});
    await client.connect();
    await client.query('CREATE TABLE kill_test (id int PRIMARY KEY, place vector(3))');
    const writing = (async () => {
      for (let id = 0; !failed; id++) {
        try {
          await client.query('INSERT INTO kill_test VALUES ($1, $2)', [id, `[${id},1,2]`]);
          committed.push(id);
        } catch {
          failed = true;
        }
      }
    })();
    await until(() => committed.length > 200, { what: '200 commits', timeoutMs: PATIENCE_MS });
    process.kill(await installation.servicePid(SERVICE_APPS.postgres), 'SIGKILL');
    await writing;
    const rows = await until(
      async () => {
        const again = new pg.Client({ connectionString });
        again.on('error', () => {});
        await again.connect();
        try {
          return (await again.query('SELECT id FROM kill_test')).rows as { id: number }[];
        } finally {
          await again.end();
        }
      },
      { what: 'PostgreSQL is back', timeoutMs: PATIENCE_MS },
    );
    const there = new Set(rows.map(({ id }) => id));
    expect(committed.filter((id) => !there.has(id))).toEqual([]);
    await servesAgain();
  });

  it('of Valkey under load loses at most its last second', async () => {
    const url = installation.secret('REDIS_URL');
    const client = createClient({ url, socket: { reconnectStrategy: false } });
    client.on('error', () => {});
    await client.connect();
    let written = 0;
    let beforeLastSecond = 0;
    const started = performance.now();
    const writing = (async () => {
      for (;;) {
        try {
          await client.set(`kill:${written}`, 'x');
          written += 1;
        } catch {
          return;
        }
      }
    })();
    await until(() => written > 500 && performance.now() - started > 500, {
      what: 'writes',
      timeoutMs: PATIENCE_MS,
    });
    beforeLastSecond = written;
    await until(() => performance.now() - started > 3_000, {
      what: 'two fsyncs',
      timeoutMs: PATIENCE_MS,
    });
    process.kill(await installation.servicePid(SERVICE_APPS.valkey), 'SIGKILL');
    await writing;
    const kept = await until(
      async () => {
        const again = createClient({ url, socket: { reconnectStrategy: false } });
        again.on('error', () => {});
        await again.connect();
        try {
          return await again.exists(Array.from({ length: beforeLastSecond }, (_, id) => `kill:${id}`));
        } finally {
          again.destroy();
        }
      },
      { what: 'Valkey is back', timeoutMs: PATIENCE_MS },
    );
    expect(kept).toBe(beforeLastSecond);
    await servesAgain();
  });
});

/** Each worker notices for itself that the database or Redis is back; a chat needs both. */
async function servesAgain(): Promise<void> {
  const serves = async () => {
    await chatThroughEveryWorker(2_000);
    return true;
  };
  await until(serves, { what: 'every worker answers', timeoutMs: PATIENCE_MS, intervalMs: 200 });
}

describe.sequential('answers that are being generated', () => {
  let usual: Upstream['pace'];

  beforeAll(() => {
    usual = upstream.pace;
    upstream.pace = { tokens: 100, pauseMs: 50 };
  });
  afterAll(() => {
    upstream.pace = usual;
  });

  it.each<[string, () => Promise<unknown>]>([
    ['pm2 stop all', () => installation.pm2.stop('all')],
    ['a shutdown (pm2 kill)', () => installation.pm2.kill()],
  ])(
    'are saved at %s',
    async (_, stop) => {
      const ui = await OpenWebui.signIn(installation.url, credentials());
      const page = await ui.connectSocket(scope);
      const started = new Set<string>();
      page.socket.on('events', (event: { message_id: string; data: { type: string } }) => {
        if (event.data.type === 'response:completion') started.add(event.message_id);
      });
      const prompts = ['one', 'two', 'three'];
      const chats = await Promise.all(prompts.map((prompt) => ui.post(page, prompt)));
      await until(() => started.size === prompts.length, {
        what: 'all have begun',
        timeoutMs: PATIENCE_MS,
      });
      await stop();
      expect((await up()).code).toBe(EXIT.ok);
      const again = await OpenWebui.signIn(installation.url, credentials());
      const saved = await Promise.all(chats.map((chat) => again.savedAnswer(chat)));
      expect(saved).toEqual(prompts.map((prompt) => wholeAnswer(prompt, upstream.pace)));
      page.close();
    },
    START_TIMEOUT,
  );
});

describe.sequential('a backup', () => {
  const file = () => join(installation.home, 'backup.tar');

  it('is one private file, and never overwrites one', async () => {
    const made = await installation.run('backup', file());
    expect(made.stderr).toContain('saved: the database, 1 upload and the key');
    expect([made.code, made.stdout.trim()]).toEqual([EXIT.ok, file()]);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    const again = await installation.run('backup', file());
    expect([again.code, again.stderr]).toEqual([EXIT.output, expect.stringContaining('is there already')]);
    expect(readdirSync(installation.folder).filter((name) => name === 'backup')).toEqual([]);
  });

  it('is not restored over accounts without a word, nor from half a file', async () => {
    const refused = await installation.run('restore', file());
    expect([refused.code, refused.stderr]).toEqual([EXIT.usage, expect.stringContaining('--overwrite')]);
    const half = join(installation.home, 'half.tar');
    writeFileSync(half, readFileSync(file()).subarray(0, statSync(file()).size / 2));
    const broken = await installation.run('restore', half, '--overwrite');
    expect([broken.code, broken.stderr]).toEqual([
      EXIT.usage,
      expect.stringContaining('nothing was changed'),
    ]);
    await servesAgain();
  });

  it(
    'brings back what was lost since',
    async () => {
      const ui = await OpenWebui.signIn(installation.url, credentials());
      const id = chatAddress.split('/').at(-1);
      await ui.call('DELETE', `/api/v1/chats/${id}`);
      await ui.call('DELETE', '/api/v1/files/all');
      expect(readdirSync(join(installation.folder, 'data', 'uploads'))).toEqual([]);
      const { code, stderr } = await installation.run('restore', file(), '--overwrite');
      expect(stderr).toContain('what was there is kept in');
      expect(code).toBe(EXIT.ok);
      expect(readdirSync(join(installation.folder, 'data', 'uploads'))).toHaveLength(1);
      // With the same key, the session from before is still good.
      await ui.call('GET', `/api/v1/chats/${id}`);
      await expectDocument();
    },
    START_TIMEOUT,
  );
});

/** The document that was uploaded, by its words. */
async function expectDocument(): Promise<void> {
  const ui = await OpenWebui.signIn(installation.url, credentials());
  const files = await ui.call<{ items?: { id: string; filename: string }[] }>('GET', '/api/v1/files/');
  const document = (files.items ?? []).find(({ filename }) => filename === 'notes.txt');
  expect(await ui.query(`file-${document?.id}`, 'code word of the harbour')).toEqual([DOCUMENT]);
}

describe.sequential('webui-tune down', () => {
  it('stops everything', async () => {
    expect((await installation.run('status')).code).toBe(EXIT.ok);
    const { code } = await installation.run('down');
    expect(code).toBe(EXIT.ok);
    expect(await installation.pm2.list()).toEqual([]);
    expect(installation.pm2.processes().map(({ pid }) => pid)).toEqual([installation.pm2.daemonPid]);
    expect(existsSync(join(installation.folder, 'services', 'postgres', 'postmaster.pid'))).toBe(false);
    const { code: status, stdout } = await installation.run('status');
    expect([status, stdout]).toEqual([EXIT.service, expect.stringContaining('does not serve')]);
  });

  it(
    'does not start beside a stranger, nor on data of another version',
    async () => {
      const stranger = createServer().listen(installation.port, '127.0.0.1');
      await once(stranger, 'listening');
      const taken = await up();
      stranger.close();
      expect([taken.code, taken.stderr]).toEqual([
        EXIT.service,
        expect.stringMatching(new RegExp(`port ${installation.port} is in use by process ${process.pid}`)),
      ]);
      await installation.run('down');
      const port = Number(new URL(installation.secret('DATABASE_URL')).port);
      const other = createServer().listen(port, '127.0.0.1');
      await once(other, 'listening');
      const beside = await up();
      other.close();
      expect([beside.code, beside.stderr]).toEqual([
        EXIT.service,
        expect.stringMatching(new RegExp(`its port ${port} is in use by process ${process.pid}`)),
      ]);
      await installation.run('down');
      const version = join(installation.folder, 'services', 'postgres', 'PG_VERSION');
      writeFileSync(version, '17\n');
      const old = await up();
      writeFileSync(version, '18\n');
      expect([old.code, old.stderr]).toEqual([
        EXIT.service,
        expect.stringContaining('made by PostgreSQL 17'),
      ]);
      expect(await installation.pm2.list()).toEqual([]);
    },
    START_TIMEOUT,
  );

  it(
    'keeps the chat and the document',
    async () => {
      expect((await up()).code).toBe(EXIT.ok);
      const browser = await startBrowser(scope);
      const chat = await ChatPage.signIn(browser, installation.url, credentials());
      await chat.open(chatAddress);
      await chat.page.getByText(wholeAnswer('good morning', upstream.pace)).first().waitFor();
      await browser.close();
      await expectDocument();
    },
    START_TIMEOUT,
  );

  it('takes all away that up has made, and leaves what is the user’s', async () => {
    const { code, stderr } = await installation.run('down', '--purge', '--yes');
    expect([code, stderr]).toEqual([EXIT.ok, expect.stringContaining('open-webui.env, which is yours')]);
    expect(installation.pm2.processes()).toEqual([]);
    const there = readdirSync(installation.home, { recursive: true, encoding: 'utf8' });
    const files = there.filter((name) => statSync(join(installation.home, name)).isFile());
    // What the tests themselves have put there, and a browser.
    expect(files.filter((name) => name.includes('webui-tune') || name.includes('pm2'))).toEqual([
      '.local/share/webui-tune/open-webui.env',
    ]);
  });
});
