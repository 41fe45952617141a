/** The page's hashed files: each answer beside the app's own, which a query in the URL asks for. And an end without PM2. */
import { readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { execa } from 'execa';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Answer, OneConnection, type RequestOptions, request } from '../../src/bench/client/http.ts';
import { type Cluster, startCluster } from '../kit/cluster.ts';
import { frontendFolder, openWebuiEnvironment, ROOT, sharedCache } from '../kit/environment.ts';
import { expectNoPm2 } from '../kit/nothing-left.ts';
import { useScope } from '../kit/vitest.ts';

const PREFIX = '/_app/immutable/';
const ORIGIN = 'https://chat.example.org';
const YEAR = 'public, max-age=31536000, immutable';

/** What Chromium asks with; one that is not on localhost or HTTPS leaves out the last two. */
const CODINGS = ['gzip, deflate, br, zstd', 'gzip, deflate', 'identity'];

/** Of an answer's headers, those that differ on purpose, or from one answer to the next. */
const INTENDED = ['cache-control', 'content-encoding', 'content-length', 'etag', 'vary'];
const CHANGING = ['date', 'x-process-time', 'connection', 'keep-alive', 'transfer-encoding'];

const scope = useScope();
const frontend = frontendFolder();
const root = join(frontend, PREFIX);
const files = readdirSync(root, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => PREFIX + relative(root, join(entry.parentPath, entry.name)));
const packed = files.filter((file) => !file.endsWith('.map'));
const [script = ''] = packed.filter((file) => file.includes('/entry/app.'));

let cluster: Cluster;
let connection: OneConnection;

beforeAll(async () => {
  // A start waits for it 30 s, which is too short where other work takes the machine.
  const pack = ['-m', 'webui_preload.static.pack', frontend, join(sharedCache(), 'webui-tune', 'static')];
  await execa(openWebuiEnvironment().python, pack, { cwd: join(ROOT, 'src', 'runtime', 'preload') });
  cluster = await startCluster(scope, {
    workers: 1,
    settings: {
      XFRAME_OPTIONS: 'SAMEORIGIN',
      REFERRER_POLICY: 'no-referrer',
      CORS_ALLOW_ORIGIN: ORIGIN,
    },
  });
  connection = new OneConnection();
  scope.defer('connection', () => connection.destroy());
});

const ask = (path: string, options: RequestOptions = {}) =>
  request(cluster.url, { agent: connection, ...options, path });

/** Our answer and the app's own. */
const askBoth = async (path: string, options: RequestOptions = {}): Promise<[Answer, Answer]> => [
  await ask(path, options),
  await ask(`${path}?app`, options),
];

function decoded({ headers, bytes }: Answer): Buffer {
  switch (headers['content-encoding']) {
    case undefined:
      return bytes;
    case 'br':
      return brotliDecompressSync(bytes);
    case 'gzip':
      return gunzipSync(bytes);
    default:
      throw new Error(`a coding that was not asked for: ${headers['content-encoding']}`);
  }
}

function without(headers: Answer['headers'], names: string[]): Answer['headers'] {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name)));
}

describe('every hashed file', () => {
  it('is the app’s own, in every coding that browsers ask for', async () => {
    expect(packed.length).toBeGreaterThan(500);
    const unlike = [...INTENDED, ...CHANGING];
    for (const path of packed) {
      const theirs = await ask(`${path}?app`);
      expect(theirs.status, path).toBe(200);
      for (const coding of CODINGS) {
        const what = `${path}, ${coding}`;
        const ours = await ask(path, { headers: { 'accept-encoding': coding } });
        expect(ours.status, what).toBe(200);
        expect(decoded(ours).equals(theirs.bytes), what).toBe(true);
        expect(without(ours.headers, unlike), what).toEqual(without(theirs.headers, unlike));
        expect(ours.headers, what).toMatchObject({
          'cache-control': YEAR,
          'content-length': `${ours.bytes.length}`,
          'x-frame-options': 'SAMEORIGIN',
          'x-process-time': expect.stringMatching(/^0\.\d{6}$/),
        });
        expect(ours.headers.etag?.replace(/^W\//, ''), what).toBe(theirs.headers.etag);
      }
    }
  });

  it('is smaller where it can be, and a source map is the app’s to answer', async () => {
    const headers = { 'accept-encoding': CODINGS[0] ?? '' };
    const { headers: got } = await ask(script, { headers });
    expect(got).toMatchObject({ 'content-encoding': 'br', vary: 'Accept-Encoding, Origin' });
    expect(Number(got['content-length'])).toBeLessThan(statSync(join(frontend, script)).size);
    const [ours, theirs] = await askBoth(`${script}.map`);
    expect(ours.bytes.equals(theirs.bytes)).toBe(true);
    expect(ours.headers).toMatchObject({ 'cache-control': YEAR, etag: theirs.headers.etag });
  });
});

describe('a request for a part, a change or the headers alone', () => {
  const etagOf = async () => (await ask(script)).headers.etag ?? '';

  it('is answered as the app does', async () => {
    const etag = await etagOf();
    const modified = (await ask(script)).headers['last-modified'] ?? '';
    for (const headers of [
      { 'if-none-match': etag },
      { 'if-none-match': `W/${etag}` },
      { 'if-none-match': '"other"' },
      { 'if-modified-since': modified },
      { range: 'bytes=0-99' },
      { range: 'bytes=-7' },
      { range: 'bytes=0-0', 'if-range': etag },
      { range: 'bytes=0-0', 'if-range': '"other"' },
      { range: 'bytes=99999999-' },
      { range: 'bytes=3-1' },
      { origin: ORIGIN },
      { origin: 'https://elsewhere.example' },
      { 'accept-encoding': 'br', 'if-none-match': `W/${etag}` },
    ]) {
      for (const method of ['GET', 'HEAD']) {
        const [ours, theirs] = await askBoth(script, { method, headers });
        const what = `${method} ${JSON.stringify(headers)}`;
        expect(ours.status, what).toBe(theirs.status);
        expect(ours.bytes.equals(theirs.bytes), what).toBe(true);
        const unlike = ['cache-control', 'vary', 'etag', ...CHANGING];
        expect(without(ours.headers, unlike), what).toEqual(without(theirs.headers, unlike));
      }
    }
  });

  it('gets several parts', async () => {
    const [ours, theirs] = await askBoth(script, { headers: { range: 'bytes=0-1,7-9' } });
    const plain = ({ body }: Answer) => body.replace(/--[0-9a-f]{26}/g, '--');
    expect([ours.status, plain(ours)]).toEqual([206, plain(theirs)]);
  });
});

describe('what is not one of them', () => {
  it.each([
    `${PREFIX}entry/none.js`,
    `${PREFIX}entry/none.css`,
    PREFIX,
    `${PREFIX}../version.json`,
    `${PREFIX}%2e%2e/version.json`,
    `${PREFIX}..%2f..%2f..%2f..%2fmain.py`,
    `${PREFIX}entry/%00.js`,
    `/_app//immutable${script.slice('/_app/immutable'.length)}`,
    `/_app/immutable/${script.slice('/_app/immutable'.length)}`,
    `${script}%00`,
    `${script}/`,
    '/_app/version.json',
  ])('is the app’s to answer: %s', async (path) => {
    const [ours, theirs] = await askBoth(path);
    expect([ours.status, ours.body]).toEqual([theirs.status, theirs.body]);
    expect(without(ours.headers, CHANGING)).toEqual(without(theirs.headers, CHANGING));
    expect(ours.headers['cache-control']).not.toBe(YEAR);
  });

  it('is left to the app by its method', async () => {
    const { status, headers } = await ask(script, { method: 'POST' });
    expect(status).toBe(405);
    expect(headers).not.toHaveProperty('cache-control');
  });
});

it('nothing is left of the cluster after the PM2 daemon was killed', async () => {
  await expectNoPm2(scope, cluster, async () => {
    const { daemonPid } = cluster.pm2;
    if (daemonPid === undefined) throw new Error('PM2 has no daemon');
    process.kill(daemonPid, 'SIGKILL');
  });
});
