import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { MIB } from '../../base/units.ts';
import { reasonOf } from '../../facts/services/timeout.ts';
import type { Settings } from '../../facts/types.ts';
import { ECHO } from '../../runtime/contract.ts';
import { crossOnce, type PageAnswer } from './crossing.ts';
import { signed } from './signed.ts';

/* What lies between a browser and the workers, as seen from outside: through the address that people use. */

export interface ProxyFacts {
  url: string;
  /** The answer to /ready; undefined: there was none, and why. */
  status?: number;
  reason?: string;
  /**
   * How a message through the broker reached a WebSocket at which nobody has signed in; missing where /ready did not
   * answer.
   */
  websocket?: PageAnswer | { reason: string };
  /**
   * What a signed request looked like to the worker, and how its answer came; undefined: no worker knew the signature.
   */
  echo?: EchoAnswer;
  /** An upload of so many bytes was announced. `status`: the answer that came before any of it was sent. */
  upload?: { bytes: number; status?: number };
  /** How an answer fared that was silent for so many seconds; undefined: not tried. */
  silence?: SilenceAnswer;
  /** The encoding of the API's answers to a browser that accepts any. */
  encoding?: string;
}

const Seen = z.object({
  scheme: z.string(),
  host: z.string(),
  client: z.string(),
  forwardedFor: z.string(),
  httpVersion: z.string(),
});

export interface EchoAnswer extends z.infer<typeof Seen> {
  /** Milliseconds between the first and the last event, which the worker sent within 400. */
  spreadMs: number;
}

export interface SilenceAnswer {
  seconds: number;
  /** Milliseconds until the first byte, or the error. */
  afterMs: number;
  /** The answer's status; undefined: the connection was cut, and `reason` says how. */
  status?: number;
  reason?: string;
}

/** Milliseconds of one question. */
const TIMEOUT = 5_000;

/** Bytes of an upload that must get through where RAG_FILE_MAX_SIZE (MB) says nothing (docs.openwebui.com, nginx). */
const USUAL_UPLOAD = 100 * MIB;

/** Asks everything that needs no account. `settings` are the workers'; `silence`: seconds, 0 for none. */
export async function readProxy(url: URL, settings: Settings, silence: number): Promise<ProxyFacts> {
  const at = (path: string) => new URL(`${url.pathname.replace(/\/+$/, '')}${path}`, url.origin);
  const facts = { url: url.href };
  try {
    const { status, read } = await ask(at('/ready'));
    await read();
    if (status !== 200) return { ...facts, status };
  } catch (error) {
    return { ...facts, reason: reasonOf(error) };
  }
  const key = settings.get('WEBUI_SECRET_KEY')?.value;
  const [websocket, echo, silent, upload, encoding] = await Promise.all([
    crossOnce(settings, url).catch((error: unknown) => ({ reason: reasonOf(error) })),
    readEcho(at(ECHO.path), key).catch(() => undefined),
    silence > 0 ? keepSilent(at(ECHO.path), key, silence) : undefined,
    announceUpload(at('/api/v1/files/'), uploadLimit(settings)).catch(() => undefined),
    encodingOf(at('/api/config')).catch(() => undefined),
  ]);
  return {
    ...facts,
    status: 200,
    websocket,
    ...(echo && { echo }),
    ...(silent && { silence: silent }),
    ...(upload && { upload }),
    ...(encoding !== undefined && { encoding }),
  };
}

function uploadLimit(settings: Settings): number {
  const megabytes = Number(settings.get('RAG_FILE_MAX_SIZE')?.value);
  return megabytes > 0 ? megabytes * MIB : USUAL_UPLOAD;
}

/** An answer whose body is still to come. `read` returns the whole body and reports each part as it arrives. */
interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  read(onPart?: () => void): Promise<Buffer>;
}

interface Question {
  method?: string;
  headers?: Record<string, string>;
  /** Milliseconds until something has to come. */
  timeout?: number;
  /** Called when the other end asks for the body that was announced. */
  onContinue?: () => void;
}

/** Not by fetch, which decodes, follows redirects and retries: it would hide what is looked for here. */
function ask(
  url: URL,
  { method = 'GET', headers = {}, timeout = TIMEOUT, onContinue }: Question = {},
): Promise<Answer> {
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method, headers, agent: false });
    const late = () => outgoing.destroy(new Error(`no answer within ${timeout / 1000} s`));
    const timer = setTimeout(late, timeout);
    outgoing.on('error', reject).on('close', () => clearTimeout(timer));
    outgoing.on('response', (incoming) => {
      resolve({
        status: incoming.statusCode ?? 0,
        headers: incoming.headers,
        read: (onPart) => bodyOf(incoming, onPart),
      });
    });
    if (!onContinue) {
      outgoing.end();
      return;
    }
    outgoing.on('continue', () => {
      onContinue();
      outgoing.destroy();
    });
    outgoing.flushHeaders();
  });
}

function bodyOf(incoming: IncomingMessage, onPart: () => void = () => {}): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    incoming.on('data', (part: Buffer) => {
      parts.push(part);
      onPart();
    });
    incoming.on('end', () => resolve(Buffer.concat(parts))).on('error', reject);
  });
}

const DECODERS: Readonly<Record<string, (body: Buffer) => Buffer>> = {
  '': (body) => body,
  gzip: gunzipSync,
  br: brotliDecompressSync,
};

async function readEcho(url: URL, key: string | undefined): Promise<EchoAnswer | undefined> {
  // As a browser asks: a proxy that compresses a stream may hold it back.
  const headers = { ...signed('echo', key), 'accept-encoding': 'gzip, br' };
  const answer = await ask(url, { headers });
  const times: number[] = [];
  const body = await answer.read(() => times.push(performance.now()));
  const decode = DECODERS[answer.headers['content-encoding'] ?? ''];
  if (!answer.headers['content-type']?.startsWith('text/event-stream') || !decode) return undefined;
  const first = /^data: (.*)$/m.exec(decode(body).toString())?.[1];
  const seen = Seen.safeParse(first === undefined ? undefined : JSON.parse(first));
  return seen.success ? { ...seen.data, spreadMs: (times.at(-1) ?? 0) - (times[0] ?? 0) } : undefined;
}

/** A worker that answers late, as one that waits for a model or reads a large document. */
async function keepSilent(url: URL, key: string | undefined, seconds: number): Promise<SilenceAnswer> {
  const asked = new URL(url);
  asked.search = `?silence=${seconds}`;
  const started = performance.now();
  const after = () => ({ seconds, afterMs: performance.now() - started });
  try {
    const answer = await ask(asked, { headers: signed('echo', key), timeout: seconds * 1000 + TIMEOUT });
    const end = after();
    await answer.read();
    return { ...end, status: answer.status };
  } catch (error) {
    return { ...after(), reason: reasonOf(error) };
  }
}

/** Announces a body and sends none of it: a proxy with a lower limit says so at once. */
async function announceUpload(url: URL, bytes: number): Promise<ProxyFacts['upload']> {
  let isWelcome = false;
  const headers = { 'content-length': String(bytes), expect: '100-continue', 'content-type': 'text/plain' };
  try {
    const answer = await ask(url, {
      method: 'POST',
      headers,
      onContinue: () => {
        isWelcome = true;
      },
    });
    return { bytes, status: answer.status };
  } catch (error) {
    if (isWelcome) return { bytes };
    throw error;
  }
}

async function encodingOf(url: URL): Promise<string> {
  const answer = await ask(url, { headers: { 'accept-encoding': 'gzip, br, zstd' } });
  await answer.read();
  return answer.headers['content-encoding'] ?? '';
}
