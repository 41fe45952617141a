import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../src/base/errors.ts';
import { holdLock, withLock } from '../src/base/io/lock.ts';
import { GIB } from '../src/base/units.ts';
import type { Probe } from '../src/facts/openwebui/probe.ts';
import { collectSettings, workerWish } from '../src/facts/settings/collect.ts';
import { chooseDataDir } from '../src/facts/settings/data-dir.ts';
import { requireDrivers } from '../src/facts/settings/drivers.ts';
import { findEnvFile, valuesOf } from '../src/facts/settings/env-file.ts';
import { isSecret } from '../src/facts/settings/secret.ts';
import { shellEnvironment } from '../src/facts/settings/shell-environment.ts';
import { memoryWish, wishesOf, workersWish } from '../src/tune/requested.ts';
import { dotenvLine } from '../src/tune/secrets/dotenv.ts';
import { chooseSecretsToKeep } from '../src/tune/secrets/keep.ts';
import { chooseSecretKey } from '../src/tune/secrets/secret-key.ts';
import { isOpenToOthers, keepSecrets, makePrivate } from '../src/tune/secrets/secrets-file.ts';
import { openEnvFile, portInUse } from '../src/tune/warnings.ts';
import { hostileText, machineOf } from './inputs.ts';
import { settingsOf } from './settings-of.ts';
import { temporaryFolder } from './temporary.ts';

describe('isSecret', () => {
  it.each([
    ['WEBUI_SECRET_KEY', 'x'],
    ['OPENAI_API_KEY', 'x'],
    ['OPENAI_API_KEYS', 'x;y'],
    ['LDAP_APP_PASSWORD', '123456'],
    ['SCIM_TOKEN', 'x'],
    ['SOUGOU_API_SK', 'x'],
    ['AUTOMATIC1111_API_AUTH', 'user:x'],
    ['WEBHOOK_URL', 'https://hooks.example/a'],
    ['CHROMA_CLIENT_AUTH_CREDENTIALS', 'x'],
    ['CHROMA_HTTP_HEADERS', 'a=b'],
    ['TOOL_SERVER_CONNECTIONS', '[]'],
    ['GOOGLE_CLIENT_SECRET', 'x'],
    ['DATABASE_URL', 'postgresql://u:p@h/n'],
    ['DATABASE_URL', 'postgresql://u:a/b@h/n'],
    ['DATABASE_URL', 'postgresql://u:a b@h/n'],
    ['DATABASE_URL', 'postgresql://u:a#b?c@h/n'],
    ['OPENAI_API_BASE_URL', 'https://%3Ctoken%3E@h/v1'],
    ['REDIS_URL', 'redis://:p@h:6379/0'],
    ['OLLAMA_BASE_URLS', 'http://a;http://u:p@b'],
    ['OPENAI_API_BASE_URL', 'https://h/v1?api-key=x'],
    ['WEBUI_NAME', 'sk-abcdefghijklmnop'],
    ['WEBUI_NAME', 'ghp_abcdefghijklmnop'],
    ['WEBUI_NAME', '0123456789abcdef0123456789abcdef'],
    ['AUDIO_TTS_OPENAI_PARAMS', '{"a": "b"}'],
    ['WEBUI_NAME', 'two\nlines'],
  ])('%s=%j', (name, value) => expect(isSecret(name, value)).toBe(true));

  it.each([
    ['WEBSOCKET_MANAGER', 'redis'],
    ['REDIS_URL', 'redis://127.0.0.1:6379/0'],
    ['DATABASE_URL', 'postgresql://root@127.0.0.1:5432/webui?sslmode=require'],
    ['ENABLE_API_KEYS', 'True'],
    ['REDIS_KEY_PREFIX', 'open-webui'],
    ['WEBUI_SECRET_KEY_LENGTH', '24'],
    ['WEBUI_AUTH', 'False'],
    ['WEBUI_AUTH_TRUSTED_EMAIL_HEADER', 'X-Email'],
    ['RAG_EMBEDDING_MODEL', 'sentence-transformers/all-MiniLM-L6-v2'],
    ['CORS_ALLOW_ORIGIN', 'https://a.example;https://b.example'],
    ['OAUTH_CLIENT_ID', 'open-webui'],
    ['THREAD_POOL_SIZE', '2000'],
    ['OPENAI_API_KEY', ''],
  ])('not %s=%j', (name, value) => expect(isSecret(name, value)).toBe(false));
});

describe('collectSettings', () => {
  const nothing = { known: [], environment: {}, envFile: {}, secretsFile: {}, preset: {} };

  it('prefers the environment to the env file, that to the secrets file, that to the preset', () => {
    const settings = collectSettings({
      known: ['A', 'B', 'C', 'D'],
      environment: { A: 'environment' },
      envFile: { A: 'file', B: 'file' },
      secretsFile: { A: 'kept', B: 'kept', C: 'kept' },
      preset: { A: 'preset', B: 'preset', C: 'preset', D: 'preset' },
    });
    expect([...settings].map(([name, { value, source }]) => [name, value, source])).toEqual([
      ['A', 'environment', 'environment'],
      ['B', 'file', 'env file'],
      ['C', 'kept', 'secrets file'],
      ['D', 'preset', 'preset'],
    ]);
  });

  it('takes from the environment only what Open WebUI reads, but from its env file everything', () => {
    const settings = collectSettings({
      ...nothing,
      known: ['WEBUI_NAME'],
      environment: { WEBUI_NAME: 'x', PATH: '/bin', GITHUB_TOKEN: 'x' },
      envFile: { HF_HOME: '/models' },
    });
    expect([...settings.keys()]).toEqual(['HF_HOME', 'WEBUI_NAME']);
  });

  it('takes what says where models are, for the next plan to know it too', () => {
    const environment = { HF_HOME: '/models', HF_HUB_OFFLINE: '1', HF_DEBUG: '1' };
    const settings = collectSettings({ ...nothing, environment });
    expect([...settings.keys()]).toEqual(['HF_HOME', 'HF_HUB_OFFLINE']);
  });

  it('never takes a worker count for a setting', () => {
    const known = ['UVICORN_WORKERS', 'WEB_CONCURRENCY', 'FROM_INIT_PY', 'STATIC_DIR'];
    const values = Object.fromEntries(known.map((name) => [name, '4']));
    expect(collectSettings({ ...nothing, known, environment: values, envFile: values }).size).toBe(0);
  });

  it('treats everything in the secrets file as a secret', () => {
    const settings = collectSettings({ ...nothing, secretsFile: { WEBUI_NAME: 'plain' } });
    expect(settings.get('WEBUI_NAME')?.secret).toBe(true);
  });
});

describe('workerWish', () => {
  it('reads both variables, the environment first', () => {
    expect(workerWish({ UVICORN_WORKERS: '3' }, { WEB_CONCURRENCY: '2' })).toEqual({
      name: 'UVICORN_WORKERS',
      value: '3',
      source: 'environment',
    });
    expect(workerWish({}, { WEB_CONCURRENCY: '2' })).toEqual({
      name: 'WEB_CONCURRENCY',
      value: '2',
      source: 'env file',
    });
    expect(workerWish({ WEB_CONCURRENCY: '' }, {})).toBeUndefined();
  });
});

/** An interpreter that has python-dotenv would be a whole environment: its decoding is repeated here in Python's words. */
describe('dotenvLine', () => {
  /** python-dotenv 1.x, parser.py: _double_quoted_value and _double_quote_escapes. */
  function read(line: string): { name: string; value: string } | undefined {
    const match = /^([^=#\s]+)="((?:\\.|[^"\\])*)"\n$/s.exec(line);
    const escapes: Record<string, string> = {
      '\\': '\\',
      "'": "'",
      '"': '"',
      a: '\x07',
      b: '\b',
      f: '\f',
      n: '\n',
      r: '\r',
      t: '\t',
      v: '\v',
    };
    const value = match?.[2]?.replace(/\\([\\'"abfnrtv])/g, (_, letter: string) => escapes[letter] ?? '');
    return match?.[1] === undefined || value === undefined ? undefined : { name: match[1], value };
  }

  it.each([
    '',
    ' a ',
    '"',
    "'",
    '\\',
    '\\\\',
    '\\n',
    '\n',
    '\r\n',
    `${'$'}{HOME}`,
    '$A',
    '#x',
    'a #b',
    '=',
    '\u2028',
    'é',
    '\\"',
  ])('keeps %j', (value) => expect(read(dotenvLine('A', value))).toEqual({ name: 'A', value }));

  it('keeps any value, in one line', () => {
    fc.assert(
      fc.property(hostileText, (value) => {
        const line = dotenvLine('A', value);
        expect(line.slice(0, -1)).not.toMatch(/[\r\n]/);
        expect(read(line)).toEqual({ name: 'A', value });
      }),
    );
  });
});

describe('keepSecrets', () => {
  const none = new Map<string, string>();
  const mode = (path: string) => statSync(path).mode & 0o777;

  it('makes a private file in a private folder', async () => {
    const folder = join(temporaryFolder(), 'data');
    const path = join(folder, '.webui-tune.env');
    const written = await keepSecrets(path, { settings: new Map([['A', 'x']]), once: new Map([['K', 'y']]) });
    expect(written).toEqual(['A', 'K']);
    expect(readFileSync(path, 'utf8')).toMatch(/^#.*\nA="x"\nK="y"\n$/s);
    expect([mode(path), mode(folder)]).toEqual([0o600, 0o700]);
  });

  it('never replaces what was drawn once', async () => {
    const path = join(temporaryFolder(), 'f');
    await keepSecrets(path, { settings: none, once: new Map([['K', 'first']]) });
    expect(await keepSecrets(path, { settings: none, once: new Map([['K', 'second']]) })).toEqual([]);
    expect(readFileSync(path, 'utf8')).toContain('K="first"');
    expect(readFileSync(path, 'utf8')).not.toContain('second');
  });

  it('replaces a changed setting and leaves the other lines alone', async () => {
    const path = join(temporaryFolder({ f: '# mine\nA="old"\nAB="x"\nB=y' }), 'f');
    await keepSecrets(path, { settings: new Map([['A', 'new']]), once: none });
    expect(readFileSync(path, 'utf8')).toBe('# mine\nAB="x"\nB=y\nA="new"\n');
  });

  it('does not touch a file that has it all', async () => {
    const path = join(temporaryFolder({ f: 'A="x"\n' }), 'f');
    const before = statSync(path).ino;
    expect(await keepSecrets(path, { settings: new Map([['A', 'x']]), once: none })).toEqual([]);
    expect(statSync(path).ino).toBe(before);
  });

  it('lets any number of runs at once agree on one key', async () => {
    const path = join(temporaryFolder(), 'f');
    const keys = Array.from({ length: 20 }, (_, index) => `key${index}`);
    const results = await Promise.all(
      keys.map((key) => keepSecrets(path, { settings: none, once: new Map([['K', key]]) })),
    );
    expect(results.filter((names) => names.length > 0)).toHaveLength(1);
    expect(readFileSync(path, 'utf8').match(/^K=/gm)).toHaveLength(1);
  });

  it('says where it failed, and not what with', async () => {
    const path = join(temporaryFolder({ file: '' }), 'file', 'f');
    const failure = keepSecrets(path, { settings: new Map([['A', 'hunter2']]), once: none });
    await expect(failure).rejects.toThrow(path);
    await expect(failure).rejects.not.toThrow('hunter2');
  });

  it('takes the rights of others away', () => {
    const path = join(temporaryFolder({ f: '' }), 'f');
    chmodSync(path, 0o644);
    expect(isOpenToOthers(path)).toBe(true);
    expect(makePrivate(path)).toBe(true);
    expect(mode(path)).toBe(0o600);
    expect(makePrivate(path)).toBe(false);
    expect(isOpenToOthers(join(path, 'missing'))).toBe(false);
  });
});

describe('withLock', () => {
  it('takes over the lock of a process that is dead', async () => {
    const path = join(temporaryFolder(), 'lock');
    const dead = spawn('true');
    await new Promise((resolve) => dead.on('close', resolve));
    writeFileSync(path, String(dead.pid));
    expect(await withLock(path, () => 'done')).toBe('done');
  });

  it('waits for one that is alive', async () => {
    const path = join(temporaryFolder(), 'lock');
    const order: string[] = [];
    writeFileSync(path, String(process.pid));
    const waiting = withLock(path, () => order.push('second'));
    await new Promise((resolve) => setTimeout(resolve, 60));
    order.push('first');
    execFileSync('rm', [path]);
    await waiting;
    expect(order).toEqual(['first', 'second']);
  });

  it('says plainly who holds it, at once where the work takes long', async () => {
    const path = join(temporaryFolder(), 'lock');
    const second = holdLock(path, 'somebody upgrades', async () => {
      await expect(holdLock(path, 'somebody upgrades', async () => 'never')).rejects.toMatchObject({
        name: 'TuneError',
        message: `somebody upgrades (process ${process.pid})`,
        exitCode: EXIT.service,
      });
      return 'done';
    });
    expect(await second).toBe('done');
    expect(existsSync(path)).toBe(false);
  });

  it('says so where no lock can be made', async () => {
    const path = join(temporaryFolder(), 'missing', 'lock');
    await expect(withLock(path, () => 'never')).rejects.toThrow(`${path} cannot be written: ENOENT`);
  });
});

describe('chooseSecretKey', () => {
  it('draws nothing where there is one', () =>
    expect(chooseSecretKey(settingsOf({ WEBUI_SECRET_KEY: 'x' }), [])).toBeUndefined());

  it('adopts the key that Open WebUI has drawn, to the letter', () => {
    const folder = temporaryFolder({ '.webui_secret_key': 'abc=\n' });
    expect(chooseSecretKey(settingsOf({}), ['/nowhere', folder])?.value).toBe('abc=\n');
  });

  it('draws nothing that an empty one would hide', () => {
    expect(() => chooseSecretKey(settingsOf({ WEBUI_SECRET_KEY: '' }, 'env file'), [])).toThrow(
      'empty (env file)',
    );
    const open = settingsOf({ WEBUI_SECRET_KEY: '', WEBUI_AUTH: 'False' });
    expect(() => chooseSecretKey(open, [])).not.toThrow();
  });

  it('adopts its older name', () =>
    expect(chooseSecretKey(settingsOf({ WEBUI_JWT_SECRET_KEY: 'old' }), [])?.value).toBe('old'));

  it('draws one that nobody guesses', () => {
    const keys = [chooseSecretKey(settingsOf({}), []), chooseSecretKey(settingsOf({}), [])];
    expect(keys[0]?.value).toMatch(/^[\w-]{43}$/);
    expect(keys[0]?.value).not.toBe(keys[1]?.value);
  });
});

describe('chooseSecretsToKeep', () => {
  it('tells of a key file that others can read', () => {
    const folder = temporaryFolder({ '.webui_secret_key': 'key' });
    const path = join(folder, '.webui_secret_key');
    const warnings = () => chooseSecretsToKeep(settingsOf({}), {}, [folder], '/secrets').warnings;
    chmodSync(path, 0o644);
    expect(warnings()).toEqual([expect.stringContaining(`chmod 600 ${path}`)]);
    chmodSync(path, 0o600);
    expect(warnings()).toEqual([]);
  });

  const secret = (value: string, source: 'environment' | 'env file') => ({ value, source, secret: true });

  it('keeps what only the shell has, and names it without its value', () => {
    const settings = new Map([
      ['DATABASE_URL', secret('postgresql://u:hunter2@h/n', 'environment')],
      ['OPENAI_API_KEY', secret('hunter2', 'env file')],
      ['WEBUI_SECRET_KEY', secret('hunter2', 'env file')],
      ['WEBUI_NAME', { value: 'x', source: 'environment' as const, secret: false }],
    ]);
    const keeping = chooseSecretsToKeep(settings, { OPENAI_API_KEY: 'hunter2' }, [], '/d/f');
    expect([...keeping.settings.keys()]).toEqual(['DATABASE_URL']);
    expect(keeping.once.size).toBe(0);
    expect(keeping.notes.join()).toContain('DATABASE_URL');
    expect(keeping.notes.join()).not.toContain('hunter2');
  });

  it('warns where the env file has another value', () => {
    const settings = new Map([['SCIM_TOKEN', secret('hunter2', 'environment')]]);
    const { settings: kept, warnings } = chooseSecretsToKeep(settings, { SCIM_TOKEN: 'hunter3' }, [], '/d/f');
    expect(kept.size).toBe(0);
    expect(warnings.join()).toContain('SCIM_TOKEN');
    expect(warnings.join()).not.toContain('hunter');
  });
});

describe('chooseDataDir', () => {
  const probe = (used: readonly string[]): Probe => ({
    python: '3.11.7',
    executable: '/p',
    package: null,
    variables: [],
    unmet: [],
    package_data: '/site/open_webui/data',
    data: Object.fromEntries(
      used.map((path) => [path, { used: true, stored: null, chroma_rows: 0, secrets: null }]),
    ),
    stored: null,
  });
  const choose = (environment: NodeJS.ProcessEnv, envFile: Record<string, string>, used: string[]) =>
    chooseDataDir({
      environment,
      envFile,
      envFilePath: '/etc/webui/open-webui.env',
      cwd: '/cwd',
      defaultDir: '/home/data',
      probe: probe(used),
    });

  it.each([
    [{ DATA_DIR: '/a' }, { DATA_DIR: '/b' }, '/a', 'environment', 0],
    [{ DATA_DIR: 'a' }, {}, '/cwd/a', 'environment', 0],
    [{}, { DATA_DIR: '/b' }, '/b', 'env file', 0],
    [{}, { DATA_DIR: 'b' }, '/etc/webui/b', 'env file', 1],
    [{}, {}, '/home/data', 'computed', 0],
  ])('%j %j', (environment, envFile, path, source, warnings) => {
    const chosen = choose(environment, envFile, []);
    expect(chosen).toMatchObject({ path, decision: { source } });
    expect(chosen.warnings).toHaveLength(warnings);
  });

  it('stays with data inside of the packages, and warns', () => {
    const { path, warnings } = choose({}, {}, ['/site/open_webui/data']);
    expect(path).toBe('/site/open_webui/data');
    expect(warnings.join()).toContain('an upgrade of Open WebUI can lose it');
  });

  it('stays with its own data once there is some', () => {
    expect(choose({}, {}, ['/site/open_webui/data', '/home/data']).path).toBe('/home/data');
  });
});

describe('requireDrivers', () => {
  const postgres = settingsOf({ DATABASE_URL: 'postgresql://u@h/n' });

  it('names the package and the command', () => {
    expect(() => requireDrivers(postgres, {}, '/v/bin/python')).toThrow(
      expect.objectContaining({
        message: expect.stringContaining('psycopg2'),
        mend: ["/v/bin/python -m pip install 'open-webui[postgres]'"],
      }),
    );
    expect(() => requireDrivers(settingsOf({ VECTOR_DB: 'pgvector' }), {}, '/p')).toThrow('pgvector');
  });

  it('asks for nothing that is not needed', () => {
    expect(() => requireDrivers(postgres, { psycopg2: true }, '/p')).not.toThrow();
    expect(() => requireDrivers(settingsOf({}), {}, '/p')).not.toThrow();
  });
});

describe('env file', () => {
  it('is looked for beside the output, then here', () => {
    const folder = temporaryFolder({ 'open-webui.env': '', 'out/open-webui.env': '', 'bare/x': '' });
    expect(findEnvFile(undefined, 'out/e.js', folder)).toBe(join(folder, 'out/open-webui.env'));
    expect(findEnvFile(undefined, 'bare/e.js', folder)).toBe(join(folder, 'open-webui.env'));
    expect(findEnvFile(undefined, undefined, join(folder, 'bare'))).toBeUndefined();
    expect(findEnvFile('out/open-webui.env', undefined, folder)).toBe(join(folder, 'out/open-webui.env'));
  });

  it('must be there if it is named', () =>
    expect(() => findEnvFile('x.env', undefined, '/cwd')).toThrow('there is no /cwd/x.env'));

  it('names the line that it cannot read', () => {
    expect(() => valuesOf('/e', { error: 'not of the form NAME=value', line: 7 })).toThrow(
      '/e, line 7: not of',
    );
    expect(() => valuesOf('/e', { error: 'it is not UTF-8' })).toThrow('/e: it is not');
  });
});

describe('shellEnvironment', () => {
  it('leaves out what Node has read from the same file', () => {
    const path = join(temporaryFolder({ f: 'A=1\nB="2"\nC=3\n' }), 'f');
    expect(shellEnvironment({ A: '1', B: '2', C: 'mine', D: '1' }, path)).toEqual({ C: 'mine', D: '1' });
    expect(shellEnvironment({ A: '1' }, '/nowhere')).toEqual({ A: '1' });
  });
});

describe('wishes', () => {
  const variable = { name: 'WEB_CONCURRENCY', value: '3', source: 'env file' } as const;

  it('prefers the flag to the variable, and auto to both', () => {
    expect(workersWish(2, variable)).toMatchObject({ value: 2, source: 'flag' });
    expect(workersWish('auto', variable)).toBeUndefined();
    expect(workersWish(undefined, variable)).toMatchObject({
      value: 3,
      from: 'WEB_CONCURRENCY=3',
      source: 'env file',
    });
    expect(workersWish(undefined, undefined)).toBeUndefined();
  });

  it.each(['0', '-1', '1.5', 'many'])('refuses %s workers', (value) =>
    expect(() => workersWish(undefined, { ...variable, value })).toThrow('WEB_CONCURRENCY is'),
  );

  it('binds to this machine only, unless the user says otherwise', () => {
    const machine = machineOf(2, 8 * GIB);
    expect(wishesOf({}, machine, undefined).host).toMatchObject({ value: '127.0.0.1', source: 'computed' });
    expect(wishesOf({ host: '0.0.0.0' }, machine, undefined).host).toMatchObject({
      value: '0.0.0.0',
      source: 'flag',
    });
  });

  it('takes a percentage of what there could be', () => {
    const machine = machineOf(2, 8 * GIB);
    expect(memoryWish('50%', machine)?.value).toBe(4 * GIB);
    expect(memoryWish('1GiB', machine)?.value).toBe(GIB);
    expect(memoryWish(undefined, machine)).toBeUndefined();
    machine.memory.limit = { bytes: 2 * GIB, source: 'memory.max' };
    expect(memoryWish('50%', machine)?.value).toBe(GIB);
    expect(() => memoryWish('lots', machine)).toThrow('neither a size');
  });
});

describe('notices', () => {
  const root = join(import.meta.dirname, 'fixtures', 'processes');

  it('says that the port is in use, unless by the cluster itself', () => {
    expect(portInUse(8080, [], root)).toEqual([
      expect.stringContaining('port 8080 is in use by a process of another user'),
    ]);
    expect(portInUse(3000, [], root)).toEqual([]);
  });

  it('says how to close an env file that others can read', () => {
    const path = join(temporaryFolder({ f: '' }), 'f');
    chmodSync(path, 0o640);
    expect(openEnvFile(path)).toEqual([expect.stringContaining(`chmod 600 ${path}`)]);
    chmodSync(path, 0o600);
    expect(openEnvFile(path)).toEqual([]);
  });
});
