/** What is read from /proc, of real processes that share what they must not. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { CHECKS } from '../../../src/doctor/checks/index.ts';
import type { Facts } from '../../../src/doctor/facts.ts';
import { readCluster } from '../../../src/doctor/read/cluster.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

/** Listens and connects to itself, then forks two workers: both hold the connection, the second no listening socket. */
const PARENT = `
import ctypes, os, signal, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
pids = []
for number in range(2):
    pid = os.fork()
    if not pid:
        ctypes.CDLL(None).prctl(15, b"webui-worker", 0, 0, 0)
        server.close()
        if number: listener.close()
        print("worker", flush=True)
        signal.pause()
    pids.append(pid)
print(listener.getsockname()[1], *pids, flush=True)
sys.stdin.read()
for pid in pids: os.kill(pid, signal.SIGKILL)
`;

it.runIf(process.platform === 'linux')('finds a deaf worker, and a connection that is shared', async () => {
  const folder = temporaryFolder();
  const script = join(folder, 'preload.py');
  writeFileSync(script, PARENT);
  const socket = join(folder, 'control.sock');
  const parent = spawn('python3', [script], {
    env: { PATH: process.env.PATH, SOCKET: socket },
    stdio: 'pipe',
  });
  try {
    const output = await new Promise<string>((resolve) => {
      let text = '';
      parent.stdout.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
        if (/^\d+ \d+ \d+$/m.test(text) && text.split('worker').length === 3) resolve(text);
      });
    });
    const [port = 0, first, second] = (/^\d+ \d+ \d+$/m.exec(output)?.[0] ?? '').split(' ').map(Number);
    const cluster = await readCluster(socket, { host: '127.0.0.1', port });
    expect(cluster?.preload?.pid).toBe(parent.pid);
    expect(cluster?.workers.map(({ pid }) => pid).sort()).toEqual([first, second].sort());
    const found = (id: string) => CHECKS.find((one) => one.id === id)?.run({ cluster } as Facts)[0];
    expect(found('cluster.listening')).toMatchObject({
      verdict: 'error',
      found: expect.stringContaining(`${second}`),
    });
    expect(found('cluster.connections')).toMatchObject({
      verdict: 'error',
      found: expect.stringContaining(`held by ${parent.pid} and `),
    });
    expect(found('cluster.serves')).toMatchObject({ verdict: 'error' });
  } finally {
    const ended = new Promise((resolve) => parent.once('close', resolve));
    parent.stdin.end();
    await ended;
  }
});
