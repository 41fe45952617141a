import { createServer, type Server } from 'node:net';

/** Listens on loopback, on a port that the kernel chooses; returns that. */
export function listenOnLoopback(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('no TCP address');
      resolve(address.port);
    });
  });
}

/** TCP ports below those that the kernel gives out by itself (net.ipv4.ip_local_port_range: 32768 on). */
const FIRST = 20_000;
const RANGES = 12;
const RANGE = 1_000;

/** Vitest numbers its processes that run at one time. Those of one run have ranges of their own. */
const first = FIRST + ((process.ppid * 2 + Number(process.env.VITEST_POOL_ID ?? 0)) % RANGES) * RANGE;
let handedOut = process.pid;

/** A TCP port of this process's own, which is free on loopback; it is not handed out again soon. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = first + (handedOut++ % RANGE);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
