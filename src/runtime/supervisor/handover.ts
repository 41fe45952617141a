/**
 * A supervisor that can have no worker of its own takes over that of the former supervisor of its instance, which
 * PM2 keeps beside it during a reload.
 *
 * Each listens on a socket of its own in the installation's private folder. The new one asks the former one there;
 * that sends its worker, which connects to the new one with all its channels. Whoever watches asks there too.
 */

import { readdirSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { Decoder, encode, type Frame, text } from './frames.ts';
import type { Channels } from './links.ts';
import { socketName } from './report.ts';
import type { Generation } from './state.ts';

/** Milliseconds that the whole of it may take; a worker whose event loop turns needs a few. */
const TIMEOUT = 5_000;

/** Bytes of the line with which a connection introduces itself. */
const MAX_INTRODUCTION = 1024;

export interface Adopted {
  pid: number;
  generation: Generation;
  channels: Channels;
}

interface HandoverEvents {
  /** Another supervisor asks for our worker, to be sent to the socket; false: there is none that could go. */
  onAsked(reason: string, path: string): boolean;
  onFailed(reason: string): void;
  /** Somebody watches: what is to be answered. */
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

  /** To be called once the folder is there: the preload process makes it. */
  listen(): void {
    if (this.#listens) return;
    this.#listens = true;
    // Those who were killed could not take theirs away; in a container our own pid may have been one of theirs.
    for (const path of [this.#path, ...this.#others()]) if (!isAlive(path)) remove(path);
    const server = createServer((socket) => this.#onConnection(socket));
    // Without it, a reload in trouble waits for PM2's patience to end, as one without a former supervisor does.
    server.on('error', (error) => this.#events.onFailed(error.message));
    server.listen(this.#path);
    server.unref();
    process.on('exit', () => remove(this.#path));
  }

  /** The worker of the former supervisor; undefined where there is none, or it cannot come. */
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
        // Only now does it leave the former supervisor.
        adopted.channels.control.write(encode({ type: 'taken' }));
        finish(adopted);
      };
      asking.on('error', () => {}); // 'close' follows
      asking.on('close', () => finish(undefined));
      asking.write(encode({ role: 'adopt', path: this.#path, reason }));
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
        // What follows is the worker's output, or its first frames.
        if (end < line.length) socket.unshift(line.subarray(end));
        this.#introduce(socket, frame);
      } catch {
        socket.destroy();
      }
    };
    socket.on('data', read);
  }

  #introduce(socket: Socket, frame: Frame): void {
    if (frame.role === 'adopt') {
      socket.resume();
      if (!this.#events.onAsked(text(frame, 'reason'), text(frame, 'path'))) socket.destroy();
    } else if (frame.role === 'watch') {
      socket.end(encode({ ...this.#events.onWatched() }));
    } else if (frame.role === 'channel' && this.#arriving) {
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

/** Whether the process that the socket's name tells is another one, and lives. */
function isAlive(path: string): boolean {
  const pid = Number(path.slice(path.lastIndexOf('-') + 1));
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It is gone already.
  }
}
