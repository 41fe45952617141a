/**
 * Passes connections on, in a network namespace: `node relay.mjs '[{"listen":…,"connect":…}]'`, each the path of a UNIX
 * socket, a TCP port of 127.0.0.1, or { host, port }. It prints "ready" once it listens everywhere.
 */
import { createConnection, createServer } from 'node:net';

const at = (place) => {
  if (typeof place === 'object') return place;
  return typeof place === 'number' ? { host: '127.0.0.1', port: place } : { path: place };
};

const forwards = JSON.parse(process.argv[2]);
await Promise.all(
  forwards.map(({ listen, connect }) => {
    const server = createServer({ allowHalfOpen: true }, (incoming) => {
      const outgoing = createConnection({ ...at(connect), allowHalfOpen: true });
      incoming.on('error', () => outgoing.destroy());
      outgoing.on('error', () => incoming.destroy());
      incoming.pipe(outgoing).pipe(incoming);
    });
    return new Promise((resolve, reject) => server.once('error', reject).listen(at(listen), resolve));
  }),
);
process.stdout.write('ready\n');
