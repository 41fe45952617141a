/**
 * Takes a worker over. During a reload PM2 keeps the former supervisor of an instance beside the new one. If the new one
 * cannot get a worker of its own, it takes the worker of the former one.
 *
 * Each supervisor listens on a socket of its own in the run folder. The new one asks the former one there. The former one
 * sends its worker, which connects all its channels to the new one. `webui-tune top` and the metrics ask there too.
 */

import { readdirSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { isRunning } from '../../base/machine/process-table.ts';
import { FRAMES, ROLES } from '../frame-names.ts';
import { Decoder, encode, type Frame, text } from './frames.ts';
import type { Channels } from './links.ts';
import { socketName } from './report.ts';
import type { Generation } from './state.ts';

/** Milliseconds that a handover may take. A worker whose event loop turns needs a few. */
const TIMEOUT = 5_000;

/** Bytes of the longest first line of a connection. */
const MAX_INTRODUCTION = 1024;

export interface Adopted {
  pid: number;
  generation: Generation;
  channels: Channels;
}

interface HandoverEvents {
  /** Another supervisor asks for our worker, which is to go to the socket at `path`. Returns false where no worker can go. */
  onAsked(reason: string, path: string): boolean;
  onFailed(reason: string): void;
  /** Somebody watches; returns the answer. */
  onWatched(): object;
}

export class Handover {
  readonly #folder: string;
  readonly #prefix: string;
  readonly #path: string;
  readonly #events: HandoverEvents;
  #listens = false;
  #arriving: Map<string, { socket: Socket; about: Frame }> | undefined;
  #arrived: (() => void) | undefined;

  constructor(controlSocket: string, instance: string, events: HandoverEvents, pid = process.pid) {
    this.#folder = dirname(controlSocket);
    this.#prefix = socketName(instance, pid).slice(0, -String(pid).length);
    this.#path = join(this.#folder, socketName(instance, pid));
    this.#events = events;
  }

  /** Call it once the preload process has made the folder. */
  listen(): void {
    if (this.#listens) return;
    this.#listens = true;
    // Supervisors that were killed could not remove their sockets. In a container, one of them may have had our pid.
    for (const path of [this.#path, ...this.#others()]) if (!isAlive(path)) remove(path);
    const server = createServer((socket) => this.#onConnection(socket));
    // Without the socket, a reload that fails waits until PM2's time is over.
    server.on('error', (error) => this.#events.onFailed(error.message));
    server.listen(this.#path);
    server.unref();
    process.on('exit', () => remove(this.#path));
  }

  /** Takes the worker of the former supervisor; undefined where there is none, or it does not come. */
  async adopt(reason: string): Promise<Adopted | undefined> {
    this.listen();
    for (const path of this.#others()) {
      const adopted = await this.#adoptFrom(path, reason);
      if (adopted) return adopted;
    }
    return undefined;
  }

  #others(): string[] {
    try {
      const names = readdirSync(this.#folder).filter((name) => name.startsWith(this.#prefix));
      return names.map((name) => join(this.#folder, name)).filter((path) => path !== this.#path);
    } catch {
      return []; // the folder is made by the preload process
    }
  }

  #adoptFrom(path: string, reason: string): Promise<Adopted | undefined> {
    return new Promise((resolve) => {
      const arriving = new Map<string, { socket: Socket; about: Frame }>();
      this.#arriving = arriving;
      const asking = connect(path);
      const finish = (adopted: Adopted | undefined) => {
        if (this.#arriving !== arriving) return;
        this.#arriving = this.#arrived = undefined;
        clearTimeout(timer);
        asking.destroy();
        if (!adopted) for (const { socket } of arriving.values()) socket.destroy();
        resolve(adopted);
      };
      const timer = setTimeout(() => finish(undefined), TIMEOUT);
      this.#arrived = () => {
        const adopted = adoptedFrom(arriving);
        if (!adopted) return;
        // The worker leaves its former supervisor only now.
        adopted.channels.control.write(encode({ type: FRAMES.taken }));
        finish(adopted);
      };
      asking.on('error', () => {}); // 'close' follows
      asking.on('close', () => finish(undefined));
      asking.write(encode({ role: ROLES.adopt, path: this.#path, reason }));
    });
  }

  #onConnection(socket: Socket): void {
    const decoder = new Decoder();
    let line = Buffer.alloc(0);
    socket.on('error', () => {});
    const read = (data: Buffer) => {
      line = Buffer.concat([line, data]);
      const end = line.indexOf('\n') + 1;
      if (end === 0 && line.length <= MAX_INTRODUCTION) return;
      socket.off('data', read);
      socket.pause();
      try {
        const [frame] = decoder.feed(line.subarray(0, end));
        if (!frame) throw new Error('no introduction');
        // The rest is the worker's output, or its first frames.
        if (end < line.length) socket.unshift(line.subarray(end));
        this.#introduce(socket, frame);
      } catch {
        socket.destroy();
      }
    };
    socket.on('data', read);
  }

  #introduce(socket: Socket, frame: Frame): void {
    if (frame.role === ROLES.adopt) {
      socket.resume();
      if (!this.#events.onAsked(text(frame, 'reason'), text(frame, 'path'))) socket.destroy();
    } else if (frame.role === ROLES.watch) {
      socket.end(encode({ ...this.#events.onWatched() }));
    } else if (frame.role === ROLES.channel && this.#arriving) {
      this.#arriving.set(text(frame, 'stream'), { socket, about: frame });
      this.#arrived?.();
    } else {
      socket.destroy();
    }
  }
}

function adoptedFrom(arriving: Map<string, { socket: Socket; about: Frame }>): Adopted | undefined {
  const control = arriving.get('control');
  const stdout = arriving.get('stdout');
  const stderr = arriving.get('stderr');
  if (!control || !stdout || !stderr) return undefined;
  const generation = { name: text(control.about, 'generation'), version: text(control.about, 'version') };
  const channels = { control: control.socket, stdout: stdout.socket, stderr: stderr.socket };
  return { pid: Number(control.about.pid), generation, channels };
}

/** Whether the name of the socket has the pid of another process, and that process lives. */
function isAlive(path: string): boolean {
  const pid = Number(path.slice(path.lastIndexOf('-') + 1));
  return pid !== process.pid && isRunning(pid);
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It is gone already.
  }
}
