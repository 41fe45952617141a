/** Asks PM2's daemon what `pm2 jlist` asks it, without a start of Node for each question: waiting asks dozens. */
import { createRequire } from 'node:module';
import { join } from 'node:path';

interface Socket {
  connect(path: string): void;
  close(): void;
  on(event: 'error', listener: (error: Error) => void): void;
}
interface Client {
  call(method: string, options: object, answer: (error: Error | null, result: unknown) => void): void;
}

// PM2's own modules, which have no types.
const require = createRequire(import.meta.url);
const axon = require('pm2/modules/pm2-axon') as { socket(type: 'req'): Socket };
const rpc = require('pm2/modules/pm2-axon-rpc') as { Client: new (socket: Socket) => Client };

const ANSWER_TIMEOUT_MS = 30_000;

/** What it says of its processes. Throws where no daemon answers in that PM2_HOME. */
export async function askDaemon(home: string): Promise<unknown> {
  const socket = axon.socket('req');
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise((resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`PM2 in ${home} does not answer`)), ANSWER_TIMEOUT_MS);
      socket.on('error', reject);
      socket.connect(join(home, 'rpc.sock'));
      new rpc.Client(socket).call('getMonitorData', {}, (error, list) =>
        error ? reject(error) : resolve(list),
      );
    });
  } finally {
    clearTimeout(timer);
    socket.close();
  }
}
