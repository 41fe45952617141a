/** The package as npm delivers it: installed globally, and run by npx. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { packageVersion } from '../../src/base/io/package.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { planPods } from '../../src/plan/pods.ts';
import { ADDED } from '../../src/render/cluster-in-image.ts';
import { renderHelm } from '../../src/render/helm/index.ts';
import { PM2_VERSION } from '../../src/render/pm2-version.ts';
import { APPS, RUNTIME_FILES } from '../../src/runtime/contract.ts';
import { openWebuiEnvironment, ROOT } from '../kit/environment.ts';
import { inputOf } from '../kit/inputs.ts';
import { useScope } from '../kit/vitest.ts';

const scope = useScope();
let folder: string;
let tarball: string;

beforeAll(async () => {
  folder = await temporaryFolder(scope, 'package');
  // dist/ is what is under test: prepack would build it anew while other tests run it.
  const { stdout } = await execa(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--pack-destination', folder],
    {
      cwd: ROOT,
      stderr: 'ignore',
    },
  );
  const [packed] = JSON.parse(stdout) as { filename: string }[];
  tarball = join(folder, packed?.filename ?? '');
});

interface App {
  name: string;
  script: string;
}

/** Runs an installed program in an empty home; the apps of the file that it prints, and what it says. */
async function planWith(program: string): Promise<{ apps: App[]; stderr: string; dataHome: string }> {
  const home = await temporaryFolder(scope, 'home');
  const dataHome = join(home, 'data');
  const { stdout, stderr } = await execa(program, ['--python', openWebuiEnvironment().python], {
    cwd: home,
    // What lies in the folder for temporary files does not stay either: this test's own does, for the moment.
    env: { PATH: process.env.PATH ?? '', HOME: home, XDG_DATA_HOME: dataHome, TMPDIR: join(home, 'tmp') },
    extendEnv: false,
  });
  const module = { exports: { apps: [] as App[] } };
  new Function('module', stdout)(module);
  return { apps: module.exports.apps, stderr, dataHome };
}

function expectRuntimeIn(apps: App[], root: string): void {
  expect(apps.map(({ name }) => name)).toEqual([APPS.preload, APPS.cluster]);
  for (const { script } of apps) {
    expect(script.startsWith(root)).toBe(true);
    expect(existsSync(script)).toBe(true);
  }
  const [preload] = apps;
  expect(existsSync(join(dirname(preload?.script ?? ''), 'webui_preload', 'main.py'))).toBe(true);
}

describe('npm pack', () => {
  it('yields a tarball that works when it is installed globally', async () => {
    const prefix = join(folder, 'global');
    await execa('npm', ['install', '--global', '--prefix', prefix, tarball], { all: true });
    const { apps } = await planWith(join(prefix, 'bin', 'webui-tune'));
    expectRuntimeIn(apps, join(prefix, 'lib', 'node_modules', 'webui-tune'));
    const { stdout } = await execa(join(prefix, 'bin', 'webui-tune'), ['--help']);
    expect(stdout).toContain('small');
  });

  it("runs from npx's cache, and puts the runtime where it stays", async () => {
    const cache = join(folder, '_npx', 'a1b2c3');
    await mkdir(cache, { recursive: true });
    await execa('npm', ['install', '--prefix', cache, tarball], { all: true });
    const { apps, stderr, dataHome } = await planWith(join(cache, 'node_modules', '.bin', 'webui-tune'));
    expectRuntimeIn(apps, join(dataHome, 'webui-tune', 'runtime'));
    expect(stderr).toContain(`copied the runtime to ${join(dataHome, 'webui-tune', 'runtime')}`);
  });

  it('carries types for those who import it', () => {
    const { exports } = createRequire(import.meta.url)(join(ROOT, 'package.json')) as {
      exports: { '.': { types: string; import: string } };
    };
    expect(readFileSync(join(ROOT, exports['.'].types), 'utf8')).toContain('export');
  });

  it('is what a pod’s init container takes the runtime from, and npm’s registry has PM2', async () => {
    const pod = join(folder, 'pod');
    await mkdir(pod);
    const request = { replicas: 2, workersPerPod: 2 };
    const options = { storageClass: 'nfs', host: 'chat.example.com', version: packageVersion() };
    const values = parse(renderHelm(planPods(inputOf(), request), options).text);
    const [shell, flags, script]: string[] = values.extraInitContainers[0].command;
    const here = [
      ['/usr/local/bin/node', process.execPath],
      [ADDED, pod],
      [`webui-tune@${packageVersion()}`, tarball],
    ].reduce((text, [there = '', place = '']) => text.replaceAll(there, place), script ?? '');
    await execa(shell ?? '', [flags ?? '', here], { cwd: folder });
    for (const file of Object.values(RUNTIME_FILES))
      expect(existsSync(join(pod, 'runtime', file)), file).toBe(true);
    const { stdout } = await execa(join(pod, 'tools', 'node'), [
      join(pod, 'tools', 'node_modules', 'pm2', 'bin', 'pm2-runtime'),
      '--version',
    ]);
    expect(stdout.trim()).toBe(PM2_VERSION);
  });
});
