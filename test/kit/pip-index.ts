/** A package index of our own for the real pip: small wheels, and all that a bad one answers. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Scope } from '../../src/base/io/scope.ts';
import { basePython } from './installation.ts';

/** argv: folder, name, version, Requires-Python, requirements. Writes NAME-VERSION-py3-none-any.whl, nothing of which is compressed. */
const PACK = `
import sys, zipfile
folder, name, version, python, *needs = sys.argv[1:]
about = f"{name}-{version}.dist-info"
files = {
    f"{name}.py": "text = 'whole'\\n",
    f"{about}/METADATA": f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\nRequires-Python: {python}\\n" + "".join(f"Requires-Dist: {n}\\n" for n in needs),
    f"{about}/WHEEL": "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
}
files[f"{about}/RECORD"] = "".join(f"{n},,\\n" for n in [*files, f"{about}/RECORD"])
with zipfile.ZipFile(f"{folder}/{name}-{version}-py3-none-any.whl", "w") as wheel:
    for path, text in files.items():
        wheel.writestr(path, text)
`;

/** Returns the wheel's path. */
export async function packWheel(
  folder: string,
  name: string,
  version: string,
  needs: readonly string[] = [],
  requiresPython = '>=3.9',
): Promise<string> {
  await execa(basePython(), ['-c', PACK, folder, name, version, requiresPython, ...needs]);
  return join(folder, `${name}-${version}-py3-none-any.whl`);
}

/** What the index does instead of what it should. */
export type Trouble =
  | 'half a wheel'
  | 'a page for a wheel'
  | 'a changed byte'
  | 'another hash'
  | 'no wheel'
  | 'no page'
  | 'a page of its own';

/** Answers for one project with its wheels; `trouble` is asked at each request. A proxy's requests get 407. */
export function serveWheels(
  wheels: readonly string[],
  trouble: () => Trouble | undefined = () => undefined,
): RequestListener {
  return ({ url = '' }, response) => {
    const bad = trouble();
    if (url.startsWith('http:')) return void response.writeHead(407).end();
    const file = wheels.find((path) => url.endsWith(encodeURIComponent(nameOf(path))));
    if (file === undefined) {
      if (bad === 'no page') return void response.writeHead(404).end();
      response.setHeader('content-type', 'text/html');
      if (bad === 'a page of its own') return void response.end('<p>Please log in</p>');
      const project = url.split('/').filter(Boolean).at(-1) ?? '';
      const links = wheels.filter((path) => nameOf(path).startsWith(`${project.replaceAll('-', '_')}-`));
      return void response.end(
        links.map((path) => `<a href="/files/${linkOf(path, bad)}">${nameOf(path)}</a>`).join('\n'),
      );
    }
    if (bad === 'no wheel') return void response.writeHead(404).end();
    // pip keeps what comes with this in its cache, the broken ones too.
    response.setHeader('cache-control', 'max-age=365000000, immutable');
    response.setHeader('content-type', 'application/octet-stream');
    const body = spoilt(readFileSync(file), bad);
    response.setHeader('content-length', body.length);
    response.end(body);
  };
}

const nameOf = (path: string) => path.split('/').at(-1) ?? '';

function linkOf(path: string, bad: Trouble | undefined): string {
  const hash = createHash('sha256').update(bad === 'another hash' ? 'another' : readFileSync(path));
  // Without one, pip has nothing but the archive's own sums.
  const mark = bad === 'another hash' ? `#sha256=${hash.digest('hex')}` : '';
  return `${encodeURIComponent(nameOf(path))}${mark}`;
}

function spoilt(wheel: Buffer, bad: Trouble | undefined): Buffer {
  if (bad === 'half a wheel') return wheel.subarray(0, wheel.length / 2);
  if (bad === 'a page for a wheel') return Buffer.from('<html>maintenance</html>');
  if (bad === 'a changed byte')
    return Buffer.from(wheel.toString('latin1').replace('whole', 'whOle'), 'latin1');
  return wheel;
}

/** Listens on loopback, and is closed at the end. Returns its port. */
export async function listen(
  scope: Scope,
  server: Pick<Server, 'listen' | 'close' | 'address' | 'closeAllConnections'>,
): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  scope.defer('an index', () => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** A proxy that wants a password for everything. */
export function proxyWithPassword(): Server {
  const answer = 'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n';
  return createServer((_, response) => void response.writeHead(407).end()).on('connect', (_, socket) =>
    socket.end(answer),
  );
}
