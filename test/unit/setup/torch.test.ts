import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GIB } from '../../../src/base/units.ts';
import {
  bringsCuda,
  chooseTorch,
  cpuBuildsOf,
  type TorchWishes,
  versionsIn,
} from '../../../src/setup/python/torch.ts';
import { requireSpaceForLarge } from '../../../src/setup/up/python.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

const CPU = 'https://cpu.example/whl';

/** What a pip says: versions of the CPU index and of its own sources, and what its constraints allow. */
interface Pip {
  cpuIndex?: string;
  own?: string;
  /** Versions that a dry run finds; absent: all of them. */
  allowed?: readonly string[];
  /** Packages of a dry run of `torch`. */
  brings?: readonly string[];
  /** Seconds until the CPU index answers. */
  silence?: number;
}

/** A program that answers as such a pip, and keeps what it was asked. */
function pipThat({ cpuIndex, own, allowed, brings = ['torch'], silence = 0 }: Pip) {
  const report = (names: readonly string[], version: string) =>
    JSON.stringify({
      install: names.map((name) => ({
        metadata: { name, version },
        download_info: { url: `https://x/${name}` },
      })),
    });
  const list = (versions: string | undefined) =>
    versions === undefined ? 'exit 1' : `echo "torch"; echo "Available versions: ${versions}"`;
  const resolved = (version: string) =>
    allowed === undefined || allowed.includes(version)
      ? `echo '${report(['torch'], version)}'`
      : 'echo "ERROR: ResolutionImpossible" >&2; exit 1';
  const first = cpuIndex?.split(',')[0] ?? '';
  const cases = [
    `*"index versions torch --index-url ${CPU}"*) exec sleep ${silence};;`,
    `*"index versions torch"*) ${list(own)};;`,
    `*"--index-url ${CPU} torch"*) ${resolved(first)};;`,
    ...(own ?? '').split(', ').map((version) => `*"torch==${version} "*) ${resolved(version)};;`),
    `*"--report - torch "*) echo '${report(brings, '9.9')}';;`,
  ];
  if (silence === 0) cases[0] = `*"index versions torch --index-url ${CPU}"*) ${list(cpuIndex)};;`;
  const folder = temporaryFolder({
    'x python': `#!/bin/sh\ncase "$* " in\n${cases.join('\n')}\n*) exit 1;;\nesac\n`,
  });
  return { python: join(folder, 'python'), env: { PATH: process.env.PATH }, log: '/pip.log' };
}

const wishes: TorchWishes = {
  index: undefined,
  gpu: false,
  platform: 'linux',
  offline: false,
  cpuIndex: CPU,
};

describe('the build of torch', () => {
  it('comes from the index of CPU builds where that answers', async () => {
    const pip = pipThat({ cpuIndex: '2.14.1+cpu, 2.14.0+cpu', own: '2.15.0, 2.13.0+cpu' });
    expect(await chooseTorch(pip, wishes)).toMatchObject({
      args: ['torch==2.14.1+cpu', '--index-url', CPU],
    });
  });

  it.each([
    ['does not answer', { own: '2.15.0, 2.13.0+cpu, 2.13.0' }],
    [
      'has none that a constraint allows',
      { cpuIndex: '2.15.0+cpu', own: '2.15.0, 2.13.0+cpu', allowed: ['2.13.0+cpu'] },
    ],
  ])('is the newest CPU build of pip’s own sources where that index %s', async (_, answers) => {
    expect(await chooseTorch(pipThat(answers), wishes)).toEqual({
      args: ['torch==2.13.0+cpu'],
      text: 'torch 2.13.0+cpu',
    });
  });

  it('does not wait for an index that is silent', async () => {
    const started = performance.now();
    const pip = pipThat({ silence: 60, own: '2.13.0+cpu' });
    expect((await chooseTorch(pip, wishes)).text).toBe('torch 2.13.0+cpu');
    expect(performance.now() - started).toBeLessThan(30_000);
  });

  it('is an older CPU build where a constraint forbids the newest', async () => {
    const pip = pipThat({ own: '2.15.0+cpu, 2.15.0, 2.14.0+cpu', allowed: ['2.14.0+cpu'] });
    expect((await chooseTorch(pip, wishes)).args).toEqual(['torch==2.14.0+cpu']);
  });

  it('is told of with its size where there is only the one with CUDA', async () => {
    const pip = pipThat({ own: '9.9', brings: ['torch', 'nvidia-cudnn-cu13', 'filelock'] });
    expect(await chooseTorch(pip, wishes)).toEqual({
      args: ['torch==9.9'],
      text: 'torch 9.9 with CUDA (3 packages, several GB to download)',
      large: { packages: 3, bytes: undefined },
    });
  });

  it('is no large one where nothing of CUDA comes along, as on ARM64', async () => {
    const pip = pipThat({ own: '9.9', brings: ['torch', 'filelock'] });
    expect(await chooseTorch(pip, wishes)).toEqual({ args: ['torch==9.9'], text: 'torch 9.9' });
  });

  it('is pip’s own choice beside a GPU, or where that is asked for', async () => {
    const answers = { cpuIndex: '2.14.1+cpu', own: '9.9, 2.13.0+cpu', brings: ['torch', 'nvidia-x'] };
    for (const wish of [{ gpu: true }, { index: 'default' }]) {
      expect((await chooseTorch(pipThat(answers), { ...wishes, ...wish })).args).toEqual(['torch==9.9']);
    }
    expect((await chooseTorch(pipThat({}), { ...wishes, platform: 'darwin' })).args).toEqual([]);
  });

  it('comes from the index that is named, and nobody is asked', async () => {
    const named = await chooseTorch(pipThat({}), { ...wishes, index: 'https://m/cpu', gpu: true });
    expect(named.args).toEqual(['torch', '--index-url', 'https://m/cpu']);
  });

  it('comes from the folder alone with --wheels', async () => {
    const pip = pipThat({ cpuIndex: '2.14.1+cpu', own: '2.13.0+cpu' });
    expect((await chooseTorch(pip, { ...wishes, offline: true })).args).toEqual(['torch==2.13.0+cpu']);
  });

  it('says what pip says where there is none at all', async () => {
    const folder = temporaryFolder({
      'x python': '#!/bin/sh\necho "ERROR: No matching distribution found for torch"; exit 1\n',
    });
    const pip = { python: join(folder, 'python'), env: {}, log: '/pip.log' };
    await expect(chooseTorch(pip, wishes)).rejects.toThrow('there is no torch for this system');
  });
});

it('needs room for the large build, or it is not begun', () => {
  const torch = {
    args: ['torch==9.9'],
    text: 'torch 9.9 with CUDA',
    large: { packages: 29, bytes: 3 * GIB },
  };
  expect(() => requireSpaceForLarge('/', torch, 10 * GIB)).toThrow(
    'torch 9.9 with CUDA needs 11 GiB of disk',
  );
  expect(() => requireSpaceForLarge('/', torch, 12 * GIB)).not.toThrow();
  const unknown = { ...torch, large: { packages: 29, bytes: undefined } };
  expect(() => requireSpaceForLarge('/', unknown, 10 * GIB)).toThrow('needs 11 GiB');
});

describe('pip’s list of versions', () => {
  it('is read as pip prints it', () => {
    expect(versionsIn('torch (2.15.0)\nAvailable versions: 2.15.0, 2.13.0+cpu\n  INSTALLED: 2.1\n')).toEqual([
      '2.15.0',
      '2.13.0+cpu',
    ]);
    expect(versionsIn('ERROR: No matching distribution found for torch')).toEqual([]);
  });

  it('says which are CPU builds', () => {
    expect(cpuBuildsOf(['2.15.0', '2.14.0+cu126', '2.13.0+cpu', '2.12.0+cpu.cxx11.abi'])).toEqual([
      '2.13.0+cpu',
      '2.12.0+cpu.cxx11.abi',
    ]);
  });

  it('knows CUDA by its packages', () => {
    expect(bringsCuda(['torch', 'nvidia_cublas'])).toBe(true);
    expect(bringsCuda(['torch', 'cuda-toolkit'])).toBe(true);
    expect(bringsCuda(['torch', 'sympy'])).toBe(false);
  });
});
