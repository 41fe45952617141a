/**
 * The body that a server answers with, whatever its status. Not by fetch: loading Node's takes a fifth of a whole run of
 * the command. `timeout` in milliseconds. Rejects where there is no answer.
 */
export async function getText(url: URL, timeout: number): Promise<string> {
  const { request } = url.protocol === 'https:' ? await import('node:https') : await import('node:http');
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { agent: false }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      answer.on('end', () => resolve(text)).on('error', reject);
    });
    const late = () => outgoing.destroy(new Error(`no answer within ${timeout / 1000} s`));
    const timer = setTimeout(late, timeout);
    outgoing.on('error', reject).on('close', () => clearTimeout(timer));
    outgoing.end();
  });
}
