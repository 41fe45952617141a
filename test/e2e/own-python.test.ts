/** A Python where there is none that Open WebUI runs on: the real uv, and a mirror of Pythons that is made here. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { createServer } from 'node:http';
import { basename, join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { bringPython, type OwnPythonOptions } from '../../src/setup/python/own-python.ts';
import { PYTHON_FOLDER } from '../../src/setup/python/wheels.ts';
import { fetchPython } from '../../src/setup/up/fetch-wheels.ts';
import { basePython, pipEnvironment } from '../kit/installation.ts';
import { listen } from '../kit/pip-index.ts';
import { type AboutPython, aboutPython, packPython } from '../kit/python-archive.ts';
import { useScope } from '../kit/vitest.ts';

const scope = useScope();
let folder: string;
let archive: string;
let about: AboutPython;
let env: Record<string, string>;
/** Where uv, once it is there, is found by the next test. */
let uv: string;
let mirror: 'whole' | 'gone' | 'a page' | 'changed';
let runs = 0;

beforeAll(async () => {
  folder = await temporaryFolder(scope, 'python');
  about = await aboutPython();
  archive = await packPython(folder);
  const port = await listen(
    scope,
    createServer((_, response) => {
      if (mirror === 'gone') return void response.writeHead(404).end();
      if (mirror === 'a page') return void response.end('<html>Please log in</html>');
      const python = readFileSync(archive);
      // It unpacks as before: only its hash tells.
      response.end(mirror === 'changed' ? Buffer.concat([python, Buffer.alloc(512)]) : python);
    }),
  );
  const key = `cpython-${about.full}-${about.os}-${about.arch}-${about.libc}`;
  const downloads = join(folder, 'downloads.json');
  writeFileSync(
    downloads,
    JSON.stringify({
      [key]: {
        ...{ name: 'cpython', arch: { family: about.arch, variant: null }, os: about.os, libc: about.libc },
        ...{
          major: 3,
          minor: about.minor,
          patch: about.patch,
          prerelease: '',
          variant: null,
          build: '20240107',
        },
        url: `http://127.0.0.1:${port}/${basename(archive)}`,
        sha256: createHash('sha256').update(readFileSync(archive)).digest('hex'),
      },
    }),
  );
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  // It brings uv, whatever its version is.
  symlinkSync(basePython(), join(bin, 'python3'));
  env = {
    ...pipEnvironment(),
    PATH: bin,
    HOME: join(folder, 'home'),
    UV_PYTHON_DOWNLOADS_JSON_URL: downloads,
    UV_HTTP_RETRIES: '0',
  };
});

beforeEach(() => {
  mirror = 'whole';
  runs += 1;
});

const ours = () => join(folder, `ours-${runs}`);

function options(more: Record<string, string> = {}): OwnPythonOptions {
  const all = { ...env, ...more };
  const pip = { env: all, log: join(folder, `log-${runs}`), progress: () => {} };
  return { folder: ours(), env: all, pip, progress: () => {}, version: about.version };
}

async function runs_(python: string | undefined): Promise<string> {
  return (await execa(python ?? 'none', ['-c', 'import ssl, sys; print(sys.version.split()[0])'])).stdout;
}

describe.sequential('without a Python that fits', () => {
  it('gets uv with pip, and a Python with uv, all in one folder', async () => {
    const tried: string[] = [];
    const python = await bringPython(options(), tried);
    expect(tried).toEqual([]);
    expect(python).toContain(join(ours(), 'python'));
    expect(await runs_(python)).toBe(about.full);
    uv = join(ours(), 'uv', 'bin');
    expect(existsSync(join(uv, 'uv'))).toBe(true);
    // No command for a PATH, and nothing in a shell's files.
    expect(existsSync(join(folder, 'home'))).toBe(false);
    // Once it is there, nobody is asked.
    mirror = 'gone';
    expect(await bringPython(options({ PATH: '' }), tried)).toBe(python);
  });

  it.each([
    ['gone', '404'],
    ['a page', 'gzip'],
    ['changed', 'mismatch'],
  ] as const)(
    'says that the mirror’s Python is %s, takes nothing for whole, and goes on',
    async (bad, word) => {
      mirror = bad;
      const tried: string[] = [];
      expect(await bringPython(options({ PATH: uv }), tried)).toBeUndefined();
      expect(tried).toEqual([expect.stringContaining(`python install ${about.version}`)]);
      expect(tried.join('').toLowerCase()).toContain(word);
      mirror = 'whole';
      expect(await runs_(await bringPython(options({ PATH: uv }), tried))).toBe(about.full);
    },
  );

  it('is brought by fetch for a machine that has no network, once', async () => {
    const places = { folder: join(folder, 'fetched'), work: join(folder, 'work') };
    for (const made of [places.folder, places.work]) mkdirSync(made);
    const fetch = () => fetchPython(join(uv, 'uv'), places, about.version, env);
    mirror = 'gone';
    expect(await fetch()).toContain('404');
    expect(existsSync(join(places.folder, PYTHON_FOLDER))).toBe(false);
    mirror = 'whole';
    expect(await fetch()).toBeUndefined();
    const [name = ''] = readdirSync(join(places.folder, PYTHON_FOLDER));
    const fetched = readFileSync(join(places.folder, PYTHON_FOLDER, name));
    expect(fetched.equals(readFileSync(archive))).toBe(true);
    mirror = 'gone';
    expect(await fetch()).toBeUndefined();
  });

  it('unpacks the one that lies beside the wheels, and needs no uv', async () => {
    const stick = join(folder, 'stick');
    mkdirSync(join(stick, PYTHON_FOLDER), { recursive: true });
    await cp(archive, join(stick, PYTHON_FOLDER, `0123-${basename(archive)}`));
    const tar = join(folder, 'tar');
    mkdirSync(tar);
    for (const name of ['tar', 'gzip']) symlinkSync((await execa('which', [name])).stdout, join(tar, name));
    mirror = 'gone';
    const wheels = { folder: stick, pythons: [about.version], manifest: undefined };
    const tried: string[] = [];
    const python = await bringPython({ ...options({ PATH: tar }), wheels }, tried);
    expect([tried, await runs_(python)]).toEqual([[], about.full]);
  });

  it('says what was tried where nothing brings one', async () => {
    const tried: string[] = [];
    expect(await bringPython(options({ PATH: '' }), tried)).toBeUndefined();
    expect(tried).toEqual(['uv: it is not on PATH, and there is no Python whose pip could bring it']);
    expect(existsSync(ours())).toBe(false);
    const noIndex = { PIP_CONFIG_FILE: '/dev/null', PIP_NO_INDEX: '1', PIP_FIND_LINKS: '' };
    expect(await bringPython(options(noIndex), tried)).toBeUndefined();
    expect(tried.at(-1)).toMatch(/^uv, with pip of \S+python3 .*there is no uv/);
  });
});
