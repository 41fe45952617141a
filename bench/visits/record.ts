/**
 * `npx tsx bench/visits/record.ts`: starts Open WebUI with one worker, visits it in Chromium, and saves the requests in
 * src/bench/contest/recording.json. Run it for a new version of Open WebUI.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BrowserContext, Request } from 'playwright-core';
import { OPEN_WEBUI_VERSION } from '../../scripts/environments.mjs';
import { Scope } from '../../src/base/io/scope.ts';
import { isHashed, type RecordedRequest, type Recording } from '../../src/bench/contest/visits.ts';
import { startCluster } from '../../test/kit/cluster.ts';
import { ROOT } from '../../test/kit/environment.ts';
import { signIn, startBrowser, untilQuiet, visitLogin } from './browser.ts';

const RECORDING = join(ROOT, 'src', 'bench', 'contest', 'recording.json');

/** Headers that belong to this machine, this session or this connection. */
const DROPPED = ['host', 'user-agent', 'cookie', 'authorization', 'referer', 'content-length', 'connection'];

class Recorder {
  readonly #origin: string;
  #requests: Promise<RecordedRequest | undefined>[] = [];

  constructor(context: BrowserContext, origin: string) {
    this.#origin = origin;
    // At once, because a closed page no longer answers.
    context.on('request', (request) => this.#requests.push(this.#plain(request)));
  }

  /** The requests since the last call, without WebSockets. */
  async take(): Promise<RecordedRequest[]> {
    const requests = await Promise.all(this.#requests);
    this.#requests = [];
    return requests.filter((request) => request !== undefined);
  }

  async #plain(request: Request): Promise<RecordedRequest | undefined> {
    if (!request.url().startsWith(`${this.#origin}/`)) return undefined;
    const headers = await request.allHeaders();
    const body = request.postData();
    return {
      method: request.method(),
      path: request.url().slice(this.#origin.length),
      headers: Object.fromEntries(
        Object.entries(headers)
          .filter(([name]) => !DROPPED.includes(name) && !name.startsWith(':'))
          .map(([name, value]) => [name, value.replace(this.#origin, 'http://localhost')]),
      ),
      authorized: headers.authorization !== undefined || (headers.cookie ?? '').includes('token='),
      ...(body !== null && { body }),
    };
  }
}

/** JSON with one request per line, so that two recordings can be compared. */
function inLines(recording: Recording): string {
  const parts = Object.entries(recording).map(([name, value]) =>
    Array.isArray(value)
      ? `${JSON.stringify(name)}: [\n${value.map((request) => JSON.stringify(request)).join(',\n')}\n]`
      : `${JSON.stringify(name)}: ${JSON.stringify(value)}`,
  );
  return `{\n${parts.join(',\n')}\n}\n`;
}

const scope = new Scope();
try {
  const cluster = await startCluster(scope, { workers: 1, args: ['--no-static-cache'] });
  const { services, url } = cluster;
  const browser = await startBrowser(scope);

  const stranger = await browser.newContext();
  const seen = new Recorder(stranger, url);
  await visitLogin(stranger, url);
  const first = await seen.take();

  const user = await browser.newContext();
  const theirs = new Recorder(user, url);
  await visitLogin(user, url);
  await theirs.take();
  const page = await signIn(user, url, services.admin);
  const signedIn = await theirs.take();
  await page.reload();
  await page.locator('#chat-input').waitFor();
  await untilQuiet(page);
  const returning = await theirs.take();
  // The notice of what is new in this version covers the field, once.
  await page.keyboard.press('Escape');
  await page.locator('#chat-input').click();
  await page.keyboard.type('heron');
  await page.keyboard.press('Enter');
  await page.getByText('heron.19').waitFor();
  await untilQuiet(page);
  const chat = await theirs.take();

  const mask = (requests: RecordedRequest[]) =>
    requests.map(({ body, ...request }) => ({
      ...request,
      ...(body !== undefined && {
        body: body.replaceAll(services.admin.email, 'EMAIL').replaceAll(services.admin.password, 'PASSWORD'),
      }),
    }));
  const recording: Recording = {
    openWebui: OPEN_WEBUI_VERSION,
    browser: 'Chromium',
    first,
    signIn: mask(signedIn),
    // The browser has these in its cache, and reports them nevertheless.
    return: mask(returning.filter((request) => !isHashed(request))),
    chat: mask(chat),
  };
  writeFileSync(RECORDING, inLines(recording));
  for (const [name, requests] of Object.entries(recording)) {
    if (Array.isArray(requests)) console.log(`${name}: ${requests.length} requests`);
  }
} finally {
  await scope.close();
}
