import { createServer } from 'node:net';

/** A TCP port that was free on loopback a moment ago; the kernel does not hand the same one out again soon. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('no TCP address');
      server.close(() => resolve(address.port));
    });
  });
}
