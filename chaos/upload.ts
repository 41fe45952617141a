/** An upload over a slow connection. */
import http, { type Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { OpenWebui } from '../src/bench/client/open-webui.ts';

const CHUNKS = 20;
const BOUNDARY = 'chaos-boundary';

/** Status and duration of an upload that takes about `seconds` seconds. Status 0: the connection was cut. */
export async function slowUpload(
  ui: OpenWebui,
  seconds: number,
  agent: Agent,
): Promise<{ status: number; seconds: number }> {
  const begun = performance.now();
  const request = http.request(`${ui.url}/api/v1/files/?process=false`, {
    method: 'POST',
    agent,
    headers: { ...ui.headers, 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
  });
  const status = new Promise<number>((resolve) => {
    request.on('error', () => resolve(0));
    request.on('response', (response) => resolve(response.resume().statusCode ?? 0));
  });
  request.write(
    `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="slow.txt"\r\n` +
      'Content-Type: text/plain\r\n\r\n',
  );
  for (let chunk = 0; chunk < CHUNKS && !request.destroyed; chunk++) {
    request.write('a line of a long file\n'.repeat(500));
    await sleep((seconds * 1000) / CHUNKS);
  }
  request.end(`\r\n--${BOUNDARY}--\r\n`);
  return { status: await status, seconds: (performance.now() - begun) / 1000 };
}
