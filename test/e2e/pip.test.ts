/** What `webui-tune up` does with pip, where downloads break off or pip is killed: the real pip, and an index that fails. */

import { readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { isAlive, processesWithEnvironment } from '../../src/base/machine/process-table.ts';
import { pipInstallPackages } from '../../src/setup/python/pip.ts';
import { basePython } from '../kit/installation.ts';
import { useScope } from '../kit/vitest.ts';

/** Bytes of the two packages; the second is what breaks off. */
const SIZES = { first: 1 << 20, second: 4 << 20 };
type Name = keyof typeof SIZES;

/** argv: folder, name, bytes. Random ones, which no compression makes small. */
const PACK = `
import os, sys, zipfile
folder, name, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
about = f"{name}-1.0.dist-info"
with zipfile.ZipFile(f"{folder}/{name}-1.0-py3-none-any.whl", "w") as wheel:
    wheel.writestr(f"{name}.bin", os.urandom(size))
    wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n")
    wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr(f"{about}/RECORD", "".join(f"{n},,\\n" for n in (f"{name}.bin", f"{about}/METADATA", f"{about}/WHEEL", f"{about}/RECORD")))
`;

const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stderr.write('skipped: pip on a full disk. This is no root, who can make one\n');

const scope = useScope();
let folder: string;
let python: string;
let env: Record<string, string>;
/** What was asked for of each file: its Range, or "all". */
let asked: Record<Name, string[]>;
/** What becomes of the next answers for the second file: half of it, and then the end, or silence. */
let troubles: ('end' | 'silence')[];

beforeAll(async () => {
  folder = await temporaryFolder(scope, 'pip');
  for (const [name, size] of Object.entries(SIZES)) {
    await execa(basePython(), ['-c', PACK, folder, name, `${size}`]);
  }
  await execa(basePython(), ['-m', 'venv', join(folder, 'venv')]);
  python = join(folder, 'venv', 'bin', 'python');
  // As `up` does first.
  await execa(python, ['-m', 'pip', 'install', '--quiet', '--upgrade', 'pip>=25.1']);
  const server = createServer(({ url = '', headers: { range } }, response) => {
    const name = url.includes('second') ? 'second' : 'first';
    if (url.endsWith('.whl')) sendFile(name, range, response);
    else response.setHeader('content-type', 'text/html').end(`<a href="/${name}-1.0-py3-none-any.whl">x</a>`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  scope.defer('the index', () => {
    server.closeAllConnections();
    server.close();
  });
  env = {
    PATH: process.env.PATH ?? '',
    HOME: folder,
    PIP_CONFIG_FILE: '/dev/null',
    // Without it pip keeps nothing that came over plain HTTP.
    PIP_TRUSTED_HOST: '127.0.0.1',
    PIP_INDEX_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/simple`,
  };
});

function sendFile(name: Name, range: string | undefined, response: ServerResponse): void {
  asked[name].push(range ?? 'all');
  const file = readFileSync(join(folder, `${name}-1.0-py3-none-any.whl`));
  const from = Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0);
  const trouble = name === 'second' ? troubles.shift() : undefined;
  response.writeHead(range === undefined ? 200 : 206, {
    etag: `"${name}"`,
    'accept-ranges': 'bytes',
    'cache-control': 'max-age=365000000, immutable',
    'content-length': file.length - from,
    ...(range !== undefined && { 'content-range': `bytes ${from}-${file.length - 1}/${file.length}` }),
  });
  if (trouble === undefined) {
    response.end(file.subarray(from));
    return;
  }
  response.write(file.subarray(from, file.length / 2), () => {
    if (trouble === 'end') response.destroy();
  });
}

beforeEach(() => {
  asked = { first: [], second: [] };
  troubles = [];
});

/** Both packages, into an empty folder, with a cache of this name. */
async function install(
  cache: string,
  onProgress: (text: string) => void = () => {},
  program = python,
): Promise<string[]> {
  const target = join(folder, `target-${cache}`);
  await mkdir(target, { recursive: true });
  const told: string[] = [];
  await pipInstallPackages(program, ['--target', target, 'first', 'second'], {
    env: { ...env, PIP_CACHE_DIR: join(folder, `cache-${cache}`) },
    log: join(folder, `${cache}.log`),
    tellsProgress: true,
    progress: (text) => {
      told.push(text);
      onProgress(text);
    },
  });
  expect(readFileSync(join(target, 'second.bin')).length).toBe(SIZES.second);
  return told;
}

describe('pip', () => {
  it('goes on where a download broke off', async () => {
    troubles = ['end', 'end'];
    const told = await install('broken');
    expect(asked.second[0]).toBe('all');
    expect(asked.second).toHaveLength(3);
    for (const range of asked.second.slice(1))
      expect(Number(/^bytes=(\d+)-/.exec(range)?.[1])).toBeGreaterThan(0);
    expect(told.filter((text) => /^downloading: second-1\.0-\S+ \(4\.2 MB\), \d+ %$/.test(text))).not.toEqual(
      [],
    );
  });

  it('is killed half-way, and fetches nothing twice when it is run again', async () => {
    troubles = ['silence'];
    const killed = install('killed', (text) => {
      if (!/second.*, \d+ %/.test(text)) return;
      for (const process_ of processesWithEnvironment('PIP_CACHE_DIR', join(folder, 'cache-killed'))) {
        if (isAlive(process_)) process.kill(process_.pid, 'SIGKILL');
      }
    });
    await expect(killed).rejects.toThrow('pip was ended before it was done');
    const told = await install('killed');
    expect(asked.first).toEqual(['all']);
    expect(told.some((text) => text.startsWith('from the cache: first-1.0'))).toBe(true);
  });

  it.skipIf(!isRoot)('says so where there is no room', async () => {
    // A disk of 3 MiB that this one pip alone sees.
    const target = join(folder, 'target-full');
    const program = join(folder, 'python-with-a-small-disk');
    const script = `mount -t tmpfs -o size=3m none ${target} && exec ${python} "$@"`;
    writeFileSync(program, `#!/bin/sh\nexec unshare --mount sh -c '${script}' sh "$@"\n`, { mode: 0o755 });
    await expect(install('full', undefined, program)).rejects.toMatchObject({
      message: 'pip found no room on the disk',
      mend: [expect.stringContaining('what was downloaded is kept'), expect.stringContaining('full.log')],
    });
  });

  it('says so where the index is lost for good', async () => {
    troubles = Array.from({ length: 50 }, () => 'end' as const);
    await expect(install('lost')).rejects.toThrow('lost it on the way');
  });
});
