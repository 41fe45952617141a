/**
 * A stranger's first command: a fresh clone, an empty home, no terminal, and a network that reaches package indexes alone.
 * Everything is installed for real, as the README says. It is the longest file of all.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, describe, expect, it } from 'vitest';
import { DoctorSchema } from '../../src/doctor/schema.ts';
import { OWN_ACCOUNT } from '../../src/embedded/account.ts';
import { EXIT } from '../../src/errors.ts';
import { makeClone, readmeCommands } from '../kit/clone.ts';
import { basePython } from '../kit/installation.ts';
import { type Network, packageHosts, startNetwork } from '../kit/network.ts';
import { OpenWebui } from '../kit/openwebui.ts';
import { temporaryFolder } from '../kit/temp.ts';
import { startUpstream } from '../kit/upstream.ts';
import { useScope } from '../kit/vitest.ts';

const isRoot = process.getuid?.() === 0;
if (!isRoot)
  process.stderr.write('skipped with a notice: the first start, which needs namespaces. This is not root\n');

/** The port that the README's command uses. */
const PORT = 8080;
const START_TIMEOUT_MS = 1_800_000;
/** Milliseconds from the command to the answer, without what pip takes. */
const BEYOND_PIP = 60_000;
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

class Stranger {
  readonly home: string;
  readonly clone: string;
  readonly #network: Network;
  readonly #path: string;

  constructor(folder: string, network: Network, path: string) {
    this.home = join(folder, 'home');
    this.clone = join(folder, 'webui-tune');
    this.#network = network;
    this.#path = path;
    mkdirSync(this.home);
    makeClone(this.clone);
  }

  get url(): string {
    return this.#network.urlOf(PORT);
  }

  /** Runs a line of shell in the clone, without a terminal. */
  async run(line: string, timeout = START_TIMEOUT_MS) {
    const [program = '', ...words] = [...this.#network.through, '/bin/bash', '-o', 'pipefail', '-c'];
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

describe.skipIf(!isRoot).sequential('npm start, where package indexes are reached and nothing else', () => {
  let stranger: Stranger;
  let network: Network;
  let upstream: Awaited<ReturnType<typeof startUpstream>>;

  beforeAll(async () => {
    upstream = await startUpstream(scope);
    upstream.pace = { tokens: 1, pauseMs: 0 };
    network = await startNetwork(scope, {
      allow: packageHosts(),
      inside: [PORT],
      outside: [Number(new URL(upstream.url).port)],
      overlays: ['/etc', '/var/lib'],
      prepare: `sed -i "/^${OWN_ACCOUNT}:/d" /etc/passwd /etc/group /etc/shadow; rm -rf /var/lib/webui-tune`,
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
      expect(took - pip).toBeLessThan(BEYOND_PIP);
    },
    START_TIMEOUT_MS,
  );

  it('embeds a document and finds it in a chat', async () => {
    expect(await asksAboutADocument(stranger.url, upstream.url)).toContain(DOCUMENT);
  });

  it('is in order, by the doctor', async () => {
    const found = await stranger.doctor();
    expect(found.filter(({ verdict }) => verdict === 'error')).toEqual([]);
  });

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
