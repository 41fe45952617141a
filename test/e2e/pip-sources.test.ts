/** Where the real pip takes packages from, and what is said of an index that serves bad ones. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { pipInstallPackages } from '../../src/setup/python/pip.ts';
import { chooseTorch } from '../../src/setup/python/torch.ts';
import { offlinePip } from '../../src/setup/python/wheels.ts';
import { dropParts, otherPatches } from '../../src/setup/up/fetch-wheels.ts';
import { basePython } from '../kit/installation.ts';
import { listen, packWheel, proxyWithPassword, serveWheels, type Trouble } from '../kit/pip-index.ts';
import { freePort } from '../kit/ports.ts';
import { useScope } from '../kit/vitest.ts';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
if (!hasOpenssl) process.stderr.write('skipped: an index that nobody trusts. There is no openssl\n');

const scope = useScope();
let folder: string;
let python: string;
let tiny: string;
let env: Record<string, string>;
let trouble: Trouble | undefined;
let runs = 0;

beforeAll(async () => {
  folder = await temporaryFolder(scope, 'sources');
  await execa(basePython(), ['-m', 'venv', join(folder, 'venv')]);
  python = join(folder, 'venv', 'bin', 'python');
  await execa(python, ['-m', 'pip', 'install', '--quiet', '--upgrade', 'pip>=25.1']);
  tiny = await packWheel(folder, 'tiny', '1.0');
  const port = await listen(scope, createServer(serveWheels([tiny], () => trouble)));
  env = {
    PATH: process.env.PATH ?? '',
    HOME: folder,
    PIP_CONFIG_FILE: '/dev/null',
    PIP_TRUSTED_HOST: '127.0.0.1',
    PIP_RETRIES: '0',
    PIP_TIMEOUT: '5',
    PIP_INDEX_URL: `http://127.0.0.1:${port}/simple`,
  };
});

beforeEach(() => {
  trouble = undefined;
  runs += 1;
});

const targetOf = () => join(folder, `target-${runs}`);

function install(more: Record<string, string> = {}): Promise<number> {
  return pipInstallPackages(python, ['--target', targetOf(), 'tiny'], {
    env: { ...env, PIP_CACHE_DIR: join(folder, `cache-${runs}`), ...more },
    log: join(folder, `log-${runs}`),
    progress: () => {},
  });
}

const isWhole = () => readFileSync(join(targetOf(), 'tiny.py'), 'utf8') === "text = 'whole'\n";

describe('an index that serves', () => {
  it.each<[Trouble, string]>([
    ['half a wheel', 'the index served a broken wheel of tiny'],
    ['a page for a wheel', 'the index served a broken wheel of tiny'],
    ['a changed byte', 'the index served a broken wheel'],
    ['another hash', 'its hash differs'],
    ['no wheel', 'but answers 404'],
    ['no page', '404 Client Error'],
    ['a page of its own', 'there is no tiny for this system'],
  ])('%s: it is said, nothing is taken for whole, and the next run goes on', async (bad, message) => {
    trouble = bad;
    await expect(install()).rejects.toMatchObject({
      message: expect.stringContaining(message),
      mend: expect.arrayContaining([expect.stringContaining('pip config list')]),
    });
    expect(existsSync(join(targetOf(), 'tiny.py'))).toBe(false);
    trouble = undefined;
    await install();
    expect(isWhole()).toBe(true);
  });
});

describe('the way to an index', () => {
  it('is a proxy that wants a password', async () => {
    const HTTPS_PROXY = `http://127.0.0.1:${await listen(scope, proxyWithPassword())}`;
    const index = { PIP_INDEX_URL: 'https://pypi.org/simple', HTTPS_PROXY };
    await expect(install(index)).rejects.toMatchObject({
      message: 'the proxy asks for a password',
      mend: expect.arrayContaining([expect.stringContaining('USER:PASSWORD')]),
    });
  });

  it.skipIf(!hasOpenssl)('has a certificate that nobody trusts', async () => {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'];
    const names = ['-addext', 'subjectAltName=DNS:localhost'];
    await execa('openssl', [...request, ...names, '-keyout', key, '-out', cert]);
    const tls = { key: readFileSync(key), cert: readFileSync(cert) };
    const port = await listen(scope, createTlsServer(tls, serveWheels([tiny])));
    const index = { PIP_INDEX_URL: `https://localhost:${port}/simple`, PIP_TRUSTED_HOST: '' };
    await expect(install(index)).rejects.toMatchObject({
      message: 'pip does not trust the TLS certificate of its index',
      mend: expect.arrayContaining([expect.stringContaining('PIP_CERT=')]),
    });
    // And what the mend says mends it.
    await install({ ...index, PIP_CERT: cert });
    expect(isWhole()).toBe(true);
  });
});

it('makes what every account can read, whatever the umask', async () => {
  const before = process.umask(0o077);
  try {
    await install();
  } finally {
    process.umask(before);
  }
  expect(statSync(join(targetOf(), 'tiny.py')).mode & 0o777).toBe(0o644);
  expect(statSync(join(targetOf(), 'tiny-1.0.dist-info')).mode & 0o777).toBe(0o755);
});

it('installs where it is told to, whatever a user’s own settings say', async () => {
  await install({ PIP_USER: '1', PIP_REQUIRE_VIRTUALENV: '1' });
  expect(isWhole()).toBe(true);
});

it('takes all from a folder, and asks no index', async () => {
  const stick = join(folder, 'a stick');
  mkdirSync(stick);
  await packWheel(stick, 'tiny', '1.0');
  trouble = 'no page';
  const offline = offlinePip({ ...env, PIP_CONSTRAINT: '/not/there' }, stick);
  await pipInstallPackages(python, ['--target', targetOf(), 'tiny'], {
    env: offline as Record<string, string>,
    log: join(folder, 'log-stick'),
    progress: () => {},
    wheels: stick,
  });
  expect(isWhole()).toBe(true);
});

describe('a folder that fetch fills', () => {
  it('does for other patch versions of the same Python', async () => {
    const wheels = join(folder, 'patches');
    mkdirSync(wheels);
    const version = 'import sys; print(f"{sys.version_info[0]}.{sys.version_info[1]}")';
    const minor = (await execa(python, ['-c', version])).stdout;
    await packWheel(wheels, 'tiny', '1.0', [
      `older>=1; python_full_version < '${minor}.1'`,
      `newer; python_full_version > '${minor}.90'`,
      `never; python_full_version < '3.0'`,
      `optional; python_full_version < '${minor}.1' and extra == 'x'`,
      'always',
    ]);
    expect(await otherPatches(python, wheels, env)).toEqual({
      oldest: `${minor}.0`,
      missing: ['newer', 'older>=1'],
    });
    // A wheel that refuses the first ones: they need nothing any more.
    await packWheel(wheels, 'picky', '1.0', [], `>=${minor}.1`);
    expect(await otherPatches(python, wheels, env)).toEqual({ oldest: `${minor}.1`, missing: ['newer'] });
  });

  it('keeps the wheels that are whole, and no part of one', async () => {
    const wheels = join(folder, 'parts');
    mkdirSync(wheels);
    const whole = await packWheel(wheels, 'tiny', '1.0');
    writeFileSync(join(wheels, 'half-1.0-py3-none-any.whl'), readFileSync(whole).subarray(0, 300));
    await dropParts(python, wheels, env);
    expect(readdirSync(wheels)).toEqual(['tiny-1.0-py3-none-any.whl']);
  });
});

describe('torch, of the real pip', () => {
  let pip: { python: string; env: Record<string, string>; log: string };
  let cpuIndex: string;
  let bytes: number;
  const wishes = { index: undefined, gpu: false, platform: 'linux', offline: false };

  beforeAll(async () => {
    const wheels = await Promise.all([
      packWheel(folder, 'torch', '3.0', ['nvidia-tiny']),
      packWheel(folder, 'nvidia_tiny', '1.0'),
    ]);
    bytes = wheels.reduce((sum, path) => sum + statSync(path).size, 0);
    const [own, cpu, links] = ['own', 'cpu', 'links'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    for (const made of [own, cpu, links]) mkdirSync(made);
    const builds = await Promise.all(
      ['2.9+cpu', '2.8+cpu'].map((version) => packWheel(cpu, 'torch', version)),
    );
    await packWheel(links, 'torch', '2.7+cpu');
    const index = `http://127.0.0.1:${await listen(scope, createServer(serveWheels(wheels)))}/simple`;
    cpuIndex = `http://127.0.0.1:${await listen(scope, createServer(serveWheels(builds)))}/cpu`;
    pip = { python, env: { ...env, PIP_INDEX_URL: index, PIP_NO_CACHE_DIR: '1' }, log: join(folder, 'log') };
  });

  const withLinks = () => ({ ...pip, env: { ...pip.env, PIP_FIND_LINKS: join(folder, 'links') } });
  const constraint = (text: string) => {
    const path = join(folder, 'constraints.txt');
    writeFileSync(path, `${text}\n`);
    return path;
  };

  it('is of the index of CPU builds, whatever else is newer', async () => {
    const { args } = await chooseTorch(withLinks(), { ...wishes, cpuIndex });
    expect(args).toEqual(['torch==2.9+cpu', '--index-url', cpuIndex]);
  });

  it('obeys pip’s constraints there', async () => {
    const { env } = withLinks();
    const limited = { ...pip, env: { ...env, PIP_CONSTRAINT: constraint('torch<2.9') } };
    const { args } = await chooseTorch(limited, { ...wishes, cpuIndex });
    expect(args).toEqual(['torch==2.8+cpu', '--index-url', cpuIndex]);
  });

  it('is a CPU build of pip’s links where that index is away, or pip may ask none', async () => {
    const away = `http://127.0.0.1:${await freePort()}/cpu`;
    expect((await chooseTorch(withLinks(), { ...wishes, cpuIndex: away })).args).toEqual(['torch==2.7+cpu']);
    const alone = { ...pip, env: { ...withLinks().env, PIP_NO_INDEX: '1' } };
    expect((await chooseTorch(alone, { ...wishes, cpuIndex })).args).toEqual(['torch==2.7+cpu']);
  });

  it('is the large one where there is no other, with its size', async () => {
    const away = `http://127.0.0.1:${await freePort()}/cpu`;
    const found = await chooseTorch(pip, { ...wishes, cpuIndex: away });
    expect(found).toMatchObject({ args: ['torch==3.0'], large: { packages: 2, bytes } });
    const { env } = withLinks();
    const limited = { ...pip, env: { ...env, PIP_CONSTRAINT: constraint('torch>=3') } };
    expect((await chooseTorch(limited, { ...wishes, cpuIndex })).args).toEqual(['torch==3.0']);
  });
});
