/** A real nginx before a cluster. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { findNginx } from '../../scripts/nginx.mjs';
import { isListening } from '../../src/base/io/port.ts';
import type { Scope } from '../../src/base/io/scope.ts';
import { startProcess, untilServing } from '../../src/base/io/started.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { PATIENCE_MS } from './patience.ts';
import { freePort } from './ports.ts';

export interface Nginx {
  url: string;
  /** Certificate that its own is signed with: NODE_EXTRA_CA_CERTS. */
  certificate: string;
  stop(): Promise<void>;
}

/** Over TLS on a loopback port; `location` holds the directives of `location /`. */
export async function startNginx(scope: Scope, location: string): Promise<Nginx> {
  const program = findNginx();
  if (program === undefined) throw new Error('there is no nginx');
  const folder = await temporaryFolder(scope, 'nginx');
  const port = await freePort();
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
  await mkdir(join(folder, 'temp'));
  await execa('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'],
    ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
    ...['-keyout', key, '-out', certificate],
  ]);
  const file = join(folder, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/temp/${name};`,
  );
  await writeFile(
    file,
    `daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr;
    ${process.getuid?.() === 0 ? 'user root;' : ''}
    events {}
    http {
      access_log off; ${temporary.join(' ')}
      server {
        listen 127.0.0.1:${port} ssl;
        ssl_certificate ${certificate}; ssl_certificate_key ${key};
        location / { ${location} }
      }
    }\n`,
  );
  const nginx = await startProcess(scope, program, ['-c', file, '-p', folder, '-e', 'stderr'], {
    log: join(folder, 'log'),
  });
  await untilServing(nginx, () => isListening('127.0.0.1', port), {
    what: 'nginx listens',
    timeoutMs: PATIENCE_MS,
  });
  return { url: `https://127.0.0.1:${port}`, certificate, stop: nginx.stop };
}
