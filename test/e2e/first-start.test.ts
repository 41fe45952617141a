/**
 * A stranger's first command: a fresh clone, an empty home, no terminal, and a network that reaches package indexes alone.
 * Everything is installed for real, as the README says. It is the longest file of all.
 */
import { existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { copyFile, mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, describe, expect, it } from 'vitest';
import { isExecutable } from '../../scripts/executable.mjs';
import { EXIT } from '../../src/base/errors.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { startUpstream } from '../../src/bench/scratch/upstream.ts';
import { DoctorSchema } from '../../src/doctor/schema.ts';
import { OWN_ACCOUNT } from '../../src/setup/embedded/account.ts';
import { PYTHON_FOLDER } from '../../src/setup/python/wheels.ts';
import { makeClone, readmeCommands } from '../kit/clone.ts';
import { crowding } from '../kit/crowding.ts';
import { basePython } from '../kit/installation.ts';
import { asNobody, NEVER_STARTED, type Network, packageHosts, startNetwork } from '../kit/network.ts';
import { packPython } from '../kit/python-archive.ts';
import { useScope } from '../kit/vitest.ts';

const isRoot = process.getuid?.() === 0;
if (!isRoot)
  process.stderr.write('skipped with a notice: the first start, which needs namespaces. This is not root\n');

/** The port that the README's command uses. */
const PORT = 8080;
const START_TIMEOUT_MS = 1_800_000;
/** Milliseconds from the command to the answer, without what pip takes. */
const BEYOND_PIP = 180_000;
const PEOPLE = { email: 'admin@example.org', password: 'correct horse battery' };
const DOCUMENT = 'The code word of the harbour is pelican.';

const scope = useScope();

/** What a machine's own configuration says of package indexes, which is all that is taken over from here. */
function indexSettings(): Record<string, string> {
  const settings = Object.entries(process.env).filter(([name]) =>
    /^(?:PIP|SSL_CERT|NODE_EXTRA_CA)_/.test(name),
  );
  return Object.fromEntries(settings) as Record<string, string>;
}

/** The interpreter itself, not a shim of pyenv's, which needs a home. */
function findNewPython(): string | undefined {
  const pyenv = join(process.env.PYENV_ROOT ?? join(homedir(), '.pyenv'), 'versions');
  const versions = existsSync(pyenv) ? readdirSync(pyenv).filter((name) => name.startsWith('3.13.')) : [];
  const folders = [...versions.map((name) => join(pyenv, name, 'bin')), '/usr/local/bin', '/usr/bin'];
  return folders.map((folder) => join(folder, 'python3.13')).find((path) => isExecutable(path));
}

class Stranger {
  readonly home: string;
  readonly clone: string;
  readonly #network: Network;
  readonly #path: string;
  readonly #through: readonly string[];

  /** `through`: the words before each command; default: those of the network. */
  constructor(folder: string, network: Network, path: string, through = network.through) {
    this.home = join(folder, 'home');
    this.clone = join(folder, 'webui-tune');
    this.#network = network;
    this.#path = path;
    this.#through = through;
    mkdirSync(this.home);
    makeClone(this.clone);
  }

  get url(): string {
    return this.#network.urlOf(PORT);
  }

  /** Runs a line of shell in the clone, without a terminal. */
  async run(line: string, timeout = START_TIMEOUT_MS) {
    const [program = '', ...words] = [...this.#through, '/bin/bash', '-o', 'pipefail', '-c'];
    // To enter a namespace is to leave the folder.
    words.push(`cd ${this.clone}; ${line}`);
    const started = performance.now();
    const { exitCode, stdout, stderr } = await execa(program, words, {
      env: { ...indexSettings(), ...this.#network.env, HOME: this.home, PATH: this.#path, LANG: 'C.UTF-8' },
      extendEnv: false,
      stdin: 'ignore',
      reject: false,
      timeout,
    });
    return { code: exitCode, stdout, stderr, took: performance.now() - started };
  }

  async doctor() {
    const { stdout } = await this.run('node dist/cli.js doctor --json');
    return DoctorSchema.parse(JSON.parse(stdout)).findings;
  }
}

/** Milliseconds that pip took, by what `up` says. */
const pipMs = (text: string) =>
  [...text.matchAll(/pip took ([\d.]+) s/g)].reduce((sum, [, seconds]) => sum + Number(seconds) * 1000, 0);

/** As a person does: makes the first account, names a language model, uploads a document, and asks about it. */
async function asksAboutADocument(url: string, upstreamUrl: string): Promise<string> {
  const ui = await OpenWebui.signUp(url, PEOPLE);
  await ui.call('POST', '/openai/config/update', {
    ENABLE_OPENAI_API: true,
    OPENAI_API_BASE_URLS: [upstreamUrl],
    OPENAI_API_KEYS: ['sk-test'],
    OPENAI_API_CONFIGS: {},
  });
  await ui.call('GET', '/api/models?refresh=true');
  const page = await ui.connectSocket(scope);
  const file = await ui.upload('harbour.txt', DOCUMENT);
  const { text } = await ui.chat(page, 'What is the code word?', { files: [file] });
  page.close();
  return text;
}

/** Filled by the first machine, for the second one. */
let wheels: string;
let upstream: Awaited<ReturnType<typeof startUpstream>>;

beforeAll(async () => {
  wheels = join(await temporaryFolder(scope, 'stick'), 'wheels');
  upstream = await startUpstream(scope);
  upstream.pace = { tokens: 1, pauseMs: 0 };
});

/** What has to be so of every installation that serves. */
function testWhatServes(stranger: () => Stranger): void {
  it('embeds a document and finds it in a chat', async () => {
    expect(await asksAboutADocument(stranger().url, upstream.url)).toContain(DOCUMENT);
  });

  it('is in order, by the doctor', async () => {
    const found = await stranger().doctor();
    expect(found.filter(({ verdict }) => verdict === 'error')).toEqual([]);
  });
}

describe.skipIf(!isRoot).sequential('npm start, where package indexes are reached and nothing else', () => {
  let stranger: Stranger;
  let network: Network;

  beforeAll(async () => {
    network = await startNetwork(scope, {
      allow: packageHosts(),
      inside: [PORT],
      outside: [Number(new URL(upstream.url).port)],
      overlays: ['/etc', '/var/lib'],
      prepare: NEVER_STARTED,
    });
    const folder = await temporaryFolder(scope, 'stranger');
    const programs = [
      dirname(process.execPath),
      dirname(basePython()),
      '/usr/sbin',
      '/usr/bin',
      '/sbin',
      '/bin',
    ];
    stranger = new Stranger(folder, network, programs.join(':'));
  });

  it(
    'ends with 0 and an address, as root with a narrow umask, piped',
    async () => {
      const [first = ''] = readmeCommands();
      const { code, stdout, stderr, took } = await stranger.run(`umask 027; ${first} | tee ../log`);
      const pip = pipMs(stderr);
      process.stderr.write(
        `${stderr}\nthe first start took ${(took / 1000).toFixed(1)} s, ${((took - pip) / 1000).toFixed(1)} of them beyond pip's own\n`,
      );
      expect([code, stdout.trim().split('\n').at(-1)]).toEqual([EXIT.ok, `http://127.0.0.1:${PORT}`]);
      expect(network.asked.get('huggingface.co') ?? 'refused').toBe('refused');
      expect(pip).toBeGreaterThan(0);
      expect(took - pip).toBeLessThan(BEYOND_PIP * crowding());
    },
    START_TIMEOUT_MS,
  );

  testWhatServes(() => stranger);

  it(
    'fills a folder for machines without a network',
    async () => {
      const { code, stderr, took } = await stranger.run(`node dist/cli.js fetch ${wheels}`);
      process.stderr.write(`${stderr}\nfetch took ${(took / 1000).toFixed(1)} s, with pip's cache warm\n`);
      expect([code, stderr]).toEqual([EXIT.ok, expect.stringContaining('GB, for')]);
    },
    START_TIMEOUT_MS,
  );

  it('goes without a trace', async () => {
    const { code, stderr } = await stranger.run('node dist/cli.js down --purge --yes');
    expect([code, stderr]).toEqual([EXIT.ok, expect.anything()]);
    const left = readdirSync(stranger.home, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(stranger.home.length + 1));
    // What pip and npm keep for themselves.
    expect(left.filter((name) => !/^(?:\.npm|\.cache\/pip)\//.test(name))).toEqual([]);
    const { stdout } = await stranger.run(`getent passwd ${OWN_ACCOUNT}; ls /var/lib/webui-tune; true`);
    expect(stdout).toBe('');
  });
});

/** A Python that Open WebUI does not run on, such as today's distributions have alone. */
const NEW_PYTHON = findNewPython();
if (!NEW_PYTHON)
  process.stderr.write('skipped with a notice: a machine with Python 3.13 alone. There is none here\n');

describe.skipIf(!isRoot || !NEW_PYTHON).sequential('npm start without any network, with wheels', () => {
  let stranger: Stranger;

  beforeAll(async () => {
    // The archive that fetch brings where GitHub can be reached.
    await mkdir(join(wheels, PYTHON_FOLDER), { recursive: true });
    const folder = await temporaryFolder(scope, 'offline');
    const archive = await packPython(folder);
    await copyFile(archive, join(wheels, PYTHON_FOLDER, basename(archive)));
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    for (const name of ['python3', 'python3.13']) symlinkSync(NEW_PYTHON ?? '', join(bin, name));
    const network = await startNetwork(scope, {
      inside: [PORT],
      outside: [Number(new URL(upstream.url).port)],
      overlays: ['/usr/bin'],
      prepare: 'rm -f /usr/bin/python*',
    });
    const programs = [bin, dirname(process.execPath), '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
    stranger = new Stranger(folder, network, programs.join(':'), await asNobody(scope, network));
  });

  it(
    'serves, as an ordinary user whose only Python is too new',
    async () => {
      const { code, stdout, stderr, took } = await stranger.run(`npm start -- --wheels ${wheels}`);
      process.stderr.write(`${stderr}\nthe start without a network took ${(took / 1000).toFixed(1)} s\n`);
      expect([code, stdout.trim().split('\n').at(-1)]).toEqual([EXIT.ok, `http://127.0.0.1:${PORT}`]);
    },
    START_TIMEOUT_MS,
  );

  testWhatServes(() => stranger);
});
