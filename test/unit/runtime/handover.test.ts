/** Two supervisors and a worker, without PM2 and Python: who gets the worker's channels, and what happens when none does. */
import { existsSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { encode } from '../../../src/runtime/supervisor/frames.ts';
import { Handover } from '../../../src/runtime/supervisor/handover.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

/** What the worker does when its supervisor says "move" (webui_preload/worker.py, _move). */
function move(path: string, output: string): Promise<Socket> {
  const channels = ['control', 'stdout', 'stderr'].map((stream) => {
    const socket = connect(path);
    socket.on('error', () => undefined);
    sockets.push(socket);
    const about = { pid: 4711, generation: 'a1', version: '0.12.4' };
    socket.write(encode({ role: 'channel', stream, ...about }) + (stream === 'stdout' ? output : ''));
    return socket;
  });
  return new Promise((resolve) => {
    channels[0]?.once('data', () => resolve(channels[0] as Socket));
    channels[0]?.once('close', () => resolve(channels[0] as Socket));
  });
}

function supervisor(folder: string, pid: number, onAsked: (path: string) => boolean): Handover {
  const events = {
    onAsked: (_: string, path: string) => onAsked(path),
    onFailed: () => undefined,
    onWatched: () => ({ pid }),
  };
  return new Handover(join(folder, 'control.sock'), '0', events, pid);
}

const nobody = () => false;

describe('a supervisor that asks the former one of its instance', () => {
  it('gets its worker with all channels, and what that has said in the meantime', async () => {
    const folder = temporaryFolder();
    let worker: Socket | undefined;
    supervisor(folder, process.ppid, (path) => {
      void move(path, 'first words\n').then((control) => {
        worker = control;
      });
      return true;
    }).listen();
    const adopted = await supervisor(folder, process.pid, nobody).adopt('no preload process');
    expect(adopted).toMatchObject({ pid: 4711, generation: { name: 'a1', version: '0.12.4' } });
    const said = new Promise((resolve) =>
      adopted?.channels.stdout.once('data', (data) => resolve(`${data}`)),
    );
    adopted?.channels.stdout.resume();
    expect(await said).toBe('first words\n');
    // The conversation of the two supervisors is over; the worker's goes on.
    adopted?.channels.control.resume();
    const beat = new Promise((resolve) => adopted?.channels.control.once('data', () => resolve('beat')));
    const ended = new Promise((resolve) => adopted?.channels.control.once('close', () => resolve('closed')));
    setTimeout(() => worker?.write(encode({ type: 'beat' })), 50);
    expect(await Promise.race([beat, ended])).toBe('beat');
  });

  it('gets nothing where that has no worker to give, and where there is none', async () => {
    const folder = temporaryFolder();
    expect(await supervisor(folder, process.pid, nobody).adopt('x')).toBeUndefined();
    supervisor(folder, process.ppid, nobody).listen();
    expect(await supervisor(folder, process.pid, nobody).adopt('x')).toBeUndefined();
  });

  it('hangs up on a worker that comes when nobody waits for it: it stays where it is', async () => {
    const folder = temporaryFolder();
    const own = supervisor(folder, process.pid, nobody);
    expect(await own.adopt('x')).toBeUndefined();
    const control = await move(join(folder, `i0-${process.pid}`), '');
    expect(control.destroyed).toBe(true);
  });

  it('takes away the sockets of supervisors that were killed, and no others', async () => {
    const folder = temporaryFolder();
    const dead = join(folder, 'i0-4194305'); // above the largest pid that Linux hands out (proc(5), pid_max)
    const alive = join(folder, `i0-${process.ppid}`);
    const servers = [dead, alive].map((path) => createServer().listen(path));
    await Promise.all(servers.map((server) => new Promise((resolve) => server.once('listening', resolve))));
    supervisor(folder, process.pid, nobody).listen();
    expect([dead, alive].map((path) => existsSync(path))).toEqual([false, true]);
    for (const server of servers) server.close();
  });
});

describe('whoever watches', () => {
  it('is told what there is, and hung up on', async () => {
    const folder = temporaryFolder();
    supervisor(folder, 4711, nobody).listen();
    const socket = connect(join(folder, 'i0-4711'));
    sockets.push(socket);
    socket.write(encode({ role: 'watch' }));
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).toString()).toBe('{"pid":4711}\n');
  });
});
