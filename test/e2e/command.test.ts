/** The command as it is delivered: what it exits with, and what it asks of this machine. */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../../src/base/errors.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { CLI, openWebuiEnvironment, ROOT } from '../kit/environment.ts';
import { useScope } from '../kit/vitest.ts';

const scope = useScope();
const LAPTOP = join(ROOT, 'test', 'fixtures', 'machine', 'laptop-hyper-threads');
const { python } = openWebuiEnvironment();
let home: string;

beforeAll(async () => {
  home = await temporaryFolder(scope, 'command');
  await writeFile(join(home, 'broken.yaml'), 'workers: { most: 3 }\n');
  await mkdir(join(home, 'taken'));
  await writeFile(join(home, 'taken', 'ecosystem.config.js'), 'module.exports = {};\n');
  await writeFile(join(home, 'no-python'), '#!/bin/sh\necho no\n');
  await chmod(join(home, 'no-python'), 0o755);
});

function run(...args: string[]) {
  return execa(process.execPath, [CLI, ...args], {
    cwd: home,
    env: { PATH: process.env.PATH ?? '', HOME: home },
    extendEnv: false,
    reject: false,
  });
}

describe('the exit code', () => {
  it.each<[string, string[], number, string]>([
    ['a plan', ['--root', LAPTOP], EXIT.ok, ''],
    ['an unknown flag', ['--memroy', '4GiB'], EXIT.usage, '--memory'],
    ['a folder that is no machine', ['--root', '/nowhere'], EXIT.usage, 'no proc/meminfo'],
    ['no interpreter', ['--python', './nowhere'], EXIT.openWebui, 'does not exist'],
    ['a program that is no Python', ['--python', './no-python'], EXIT.openWebui, 'does not answer'],
    [
      'a preset with a slip',
      ['--root', LAPTOP, '--preset', './broken.yaml'],
      EXIT.settings,
      'line 1: workers.most',
    ],
    ['too little memory', ['--root', LAPTOP, '--memory', '300MiB'], EXIT.machine, 'are missing'],
    ['a file of somebody else', ['--out', 'taken/ecosystem.config.js'], EXIT.output, '--force'],
  ])('after %s', async (_, args, code, message) => {
    const { exitCode, stdout, stderr } = await run(...args);
    expect(exitCode, stderr).toBe(code);
    expect(stderr).toContain(message);
    expect(stdout === '').toBe(code !== EXIT.ok);
  });
});

describe('a folder whose package.json says "type": "module"', () => {
  it('is told of .cjs, which Node then loads', async () => {
    const folder = join(home, 'modern');
    await mkdir(folder);
    await writeFile(join(folder, 'package.json'), '{"type":"module"}\n');
    const environment = { PATH: process.env.PATH ?? '', HOME: home };
    const inside = (program: string, ...args: string[]) =>
      execa(program, args, { cwd: folder, env: environment, extendEnv: false, reject: false });
    const load = (file: string) =>
      inside(process.execPath, '-p', `require(${JSON.stringify(join(folder, file))}).apps.length > 0`);
    const plan = [CLI, '--python', python];

    const js = await inside(process.execPath, ...plan);
    expect(js.exitCode, js.stderr).toBe(EXIT.ok);
    expect(js.stderr).toContain('"type": "module"');
    expect(js.stderr).toContain('--format cjs');
    await writeFile(join(folder, 'ecosystem.config.js'), js.stdout);
    expect((await load('ecosystem.config.js')).stdout).not.toBe('true');

    const cjs = await inside(process.execPath, ...plan, '--out', 'ecosystem.config.cjs');
    expect(cjs.exitCode, cjs.stderr).toBe(EXIT.ok);
    expect(cjs.stderr).not.toContain('"type": "module"');
    expect((await load('ecosystem.config.cjs')).stdout).toBe('true');
  });
});

describe('what is asked of this machine', () => {
  /** One line for each kernel file, connection or program. */
  async function asked(...args: string[]): Promise<string[]> {
    const watcher = join(ROOT, 'test', 'kit', 'watch-machine.mjs');
    const { stdio, exitCode, stderr } = await execa(
      process.execPath,
      ['--import', watcher, CLI, '--json', ...args],
      {
        cwd: home,
        env: { PATH: process.env.PATH ?? '', HOME: home },
        extendEnv: false,
        reject: false,
        stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      },
    );
    expect(exitCode, stderr).toBe(EXIT.ok);
    return String(stdio[3] ?? '')
      .split('\n')
      .filter(Boolean);
  }

  it('is nothing with --root', async () => {
    expect(await asked('--root', LAPTOP)).toEqual([]);
    expect(await asked('--root', LAPTOP, '--cpus', '8', '--memory', '4GiB', '--preset', 'team')).toEqual([]);
  });

  it('is all of it without', async () => {
    const lines = await asked('--python', python);
    expect(lines).toEqual(expect.arrayContaining(['file /proc/meminfo', 'connection', `program ${python}`]));
  });
});
