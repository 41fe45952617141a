/** A whole installation of the oldest Open WebUI that is supported, made by `webui-tune up`, upgraded with the packages of the index. */
import { readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { request } from '../../src/bench/client/http.ts';
import { startLoad } from '../../src/bench/client/load.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { EMBEDDING_MODEL, startUpstream, wholeAnswer } from '../../src/bench/scratch/upstream.ts';
import { Installation } from '../kit/installation.ts';
import { makeSharingEnvironment } from '../kit/openwebui-wheels.ts';
import { useScope } from '../kit/vitest.ts';

const [OLD, NEW] = ['0.12.0', '0.12.4'];
const TIMEOUT_MS = 1_200_000;
const DOCUMENT = 'The code word of the lighthouse is cormorant.';

const scope = useScope();

it(
  'has the same people, chats and documents afterwards, and its path',
  async () => {
    const upstream = await startUpstream(scope);
    const { folder, python } = await makeSharingEnvironment(scope);
    await execa(python, ['-m', 'pip', 'install', '--quiet', `open-webui[postgres]==${OLD}`]);
    const installation = await Installation.prepare(scope, {
      python,
      env: { PATH: `${dirname(process.execPath)}:${process.env.PATH}` },
    });
    await installation.writeSettings({
      OPENAI_API_BASE_URL: upstream.url,
      OPENAI_API_KEY: 'sk-test-key-of-upgrade',
      ENABLE_OLLAMA_API: 'false',
      RAG_EMBEDDING_ENGINE: 'openai',
      RAG_EMBEDDING_MODEL: EMBEDDING_MODEL,
      RAG_OPENAI_API_BASE_URL: upstream.url,
      RAG_OPENAI_API_KEY: 'sk-test-key-of-upgrade',
      HF_HUB_OFFLINE: '1',
      OFFLINE_MODE: 'true',
    });
    const up = await installation.up('--workers', '2', '--admin-email', 'admin@example.org');
    process.stderr.write(up.stderr);
    expect([up.code, await servedVersion(installation)]).toEqual([0, OLD]);
    const credentials = { email: 'admin@example.org', password: installation.secret('WEBUI_ADMIN_PASSWORD') };
    const ui = await OpenWebui.signIn(installation.url, credentials);
    const page = await ui.connectSocket(scope);
    const answer = await ui.chat(page, 'good morning');
    expect(answer.text).toBe(wholeAnswer('good morning', upstream.pace));
    page.close();
    await ui.upload('lighthouse.txt', DOCUMENT);
    const asked = async () => {
      const calls = ['/api/v1/auths/', '/api/v1/chats/?page=1', '/api/v1/files/'];
      return Promise.all(calls.map((path) => ui.call('GET', path)));
    };
    const before = JSON.stringify(await asked());
    expect(before).toContain('good morning');
    const load = startLoad({ url: `${installation.url}/health`, headers: {}, connections: 1, pauseMs: 100 });
    const { code, stderr } = await installation.run('upgrade', NEW, '--yes');
    const times = (await load.stop()).failedRequests.map(({ atMs }) => atMs);
    process.stderr.write(
      `${stderr}\nnothing answered for ${(Math.max(...times) - Math.min(...times)) / 1000} s\n`,
    );
    expect(code).toBe(0);
    expect(await servedVersion(installation)).toBe(NEW);
    // The same token, and the same key.
    expect(JSON.stringify(await asked())).toContain('good morning');
    const again = await installation.up('--workers', '2');
    expect([again.code, await servedVersion(installation)]).toEqual([0, NEW]);
    expect(readdirSync(folder)).toEqual(['venv']);
    const script = await execa(`${dirname(python)}/open-webui`, ['--help'], { reject: false });
    expect(script.exitCode).toBe(0);
  },
  TIMEOUT_MS,
);

async function servedVersion({ url }: Installation): Promise<string> {
  const { body } = await request(`${url}/api/version`);
  return (JSON.parse(body) as { version: string }).version;
}
