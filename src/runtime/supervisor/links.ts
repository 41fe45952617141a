/** The connections of a cluster worker: one to the preload process, three to each Python worker. */

import { connect, type Socket } from 'node:net';
import { StringDecoder } from 'node:string_decoder';
import { FRAMES, ROLES, type STREAMS } from '../frame-names.ts';
import { parseDurations } from './durations.ts';
import { Decoder, encode, type Frame, text } from './frames.ts';
import type { WorkerStats } from './report.ts';
import type { Ending } from './state.ts';

/** Milliseconds between two attempts to reach the preload process. A failed attempt costs next to nothing. */
const RECONNECT_INTERVAL = 100;

/** Attempts before the log says that we wait: after a restart of PM2, both sides start at once. */
const QUIET_ATTEMPTS = 50;

/** Milliseconds that the preload process has to say how a worker ended, once its control channel is closed. */
const ENDING_GRACE = 1000;

export interface Welcome {
  pid: number;
  name: string;
  version: string;
  level: string;
}

interface PreloadEvents {
  /** Whether a worker of this instance serves, and so can hand over the listening socket. */
  isServing(): boolean;
  onWelcome(welcome: Welcome): void;
  onGone(): void;
  /** Called once, when the preload process has been away for a while. */
  onWaiting(reason: string): void;
  onBeat(): void;
  onOffer(): void;
  onForked(token: string, pid: number): void;
  onExited(token: string, ending: Ending): void;
}

export interface WorkerEvents {
  onOutput(text: string): void;
  onError(text: string): void;
  onReady(): void;
  onBeat(): void;
  /** It belongs to another supervisor now. */
  onMoved(): void;
  onExited(ending: Ending): void;
}

/** What connects a supervisor and its worker. */
export type Channels = Record<(typeof STREAMS)[number], Socket>;

/** The connection to the preload process; reconnects for ever. */
export class PreloadLink {
  readonly #path: string;
  readonly #instance: string;
  readonly #events: PreloadEvents;
  #socket: Socket | undefined;
  #welcomed = false;
  #attempts = 0;

  constructor(path: string, instance: string, events: PreloadEvents) {
    this.#path = path;
    this.#instance = instance;
    this.#events = events;
  }

  get isUp(): boolean {
    return this.#welcomed;
  }

  /** Name of the worker in frames. Each supervisor counts its own tokens, so that its pid is a part of it. */
  name(token: string): string {
    return `${process.pid}-${token}`;
  }

  connect(): void {
    const socket = connect(this.#path);
    const decoder = new Decoder();
    socket.on('connect', () => {
      this.#socket = socket;
      const serving = this.#events.isServing();
      this.send({ role: ROLES.supervisor, instance: this.#instance, serving });
    });
    socket.on('data', (data) => {
      try {
        for (const frame of decoder.feed(data)) this.#handle(frame);
      } catch (error) {
        socket.destroy(error instanceof Error ? error : undefined);
      }
    });
    let reason = 'it closed the connection';
    socket.on('error', (error: NodeJS.ErrnoException) => {
      reason = error.code === 'ENOENT' || error.code === 'ECONNREFUSED' ? 'it does not run' : error.message;
    });
    socket.on('close', () => this.#onClose(reason));
  }

  send(frame: Frame): void {
    this.#socket?.write(encode(frame));
  }

  requestWorker(
    token: string,
    options: WorkerEvents & { replaces: boolean; drainSeconds: number },
  ): WorkerLink {
    const name = this.name(token);
    const channels = {
      control: this.#open(name, 'control'),
      stdout: this.#open(name, 'stdout'),
      stderr: this.#open(name, 'stderr'),
    };
    const link = new WorkerLink(channels, options, () => this.isUp);
    const { replaces, drainSeconds } = options;
    this.send({ type: FRAMES.fork, worker: name, replaces, drainSeconds });
    return link;
  }

  #open(worker: string, stream: keyof Channels): Socket {
    const socket = connect(this.#path);
    socket.write(encode({ role: ROLES.channel, worker, stream }));
    return socket;
  }

  #handle(frame: Frame): void {
    switch (frame.type) {
      case FRAMES.welcome:
        this.#welcomed = true;
        this.#attempts = 0;
        return this.#events.onWelcome({
          pid: Number(frame.pid),
          name: text(frame, 'generation'),
          version: text(frame, 'version'),
          level: text(frame, 'level'),
        });
      case FRAMES.beat:
        return this.#events.onBeat();
      case FRAMES.offer:
        return this.#events.onOffer();
      case FRAMES.forked:
        return this.#events.onForked(this.#token(frame), Number(frame.pid));
      case FRAMES.exited:
        return this.#events.onExited(this.#token(frame), {
          ...(typeof frame.code === 'number' ? { code: frame.code } : {}),
          ...(typeof frame.signal === 'string' ? { signal: frame.signal } : {}),
        });
      default:
        throw new Error(`the preload process sent a frame that is not known: ${String(frame.type)}`);
    }
  }

  #token(frame: Frame): string {
    return text(frame, 'worker').slice(`${process.pid}-`.length);
  }

  #onClose(reason: string): void {
    const wasUp = this.#welcomed;
    this.#socket = undefined;
    this.#welcomed = false;
    if (wasUp) this.#events.onGone();
    this.#attempts += 1;
    if (this.#attempts === QUIET_ATTEMPTS) this.#events.onWaiting(reason);
    setTimeout(() => this.connect(), RECONNECT_INTERVAL);
  }
}

/** One Python worker: its control channel and its output. */
export class WorkerLink {
  pid: number | undefined;
  /** Digests of the ids that no two workers may have in common. */
  identity = '';
  /** MiB of private memory when it had just become ready. */
  firstMemory: number | undefined;
  /** The counts that it last sent. */
  stats: (WorkerStats & { heardAt: number }) | undefined;
  readonly #channels: Channels;
  readonly #events: WorkerEvents;
  #openOutputs = 2;
  #ending: Ending | undefined;
  #ended = false;

  constructor(channels: Channels, events: WorkerEvents, preloadIsUp: () => boolean) {
    this.#events = events;
    this.#channels = channels;
    // Errors end in 'close', which is what counts.
    for (const socket of Object.values(channels)) socket.on('error', () => {});
    const decoder = new Decoder();
    channels.control.on('data', (data) => {
      for (const frame of decoder.feed(data)) this.#handle(frame);
    });
    channels.control.on('close', () => {
      // The preload process says in a moment how it ended. Without that process, nobody knows.
      if (preloadIsUp()) setTimeout(() => this.exited({}), ENDING_GRACE);
      else this.exited({});
    });
    this.#pipe(channels.stdout, events.onOutput);
    this.#pipe(channels.stderr, events.onError);
    // Channels of a worker that was taken over were paused until now.
    for (const socket of Object.values(channels)) socket.resume();
  }

  #handle(frame: Frame): void {
    switch (frame.type) {
      case FRAMES.ready:
        this.pid = Number(frame.pid);
        this.identity = String(frame.identity ?? '');
        return this.#events.onReady();
      case FRAMES.beat:
        this.#note(frame);
        return this.#events.onBeat();
      case FRAMES.draining:
        return this.#note(frame);
      case FRAMES.moved:
        this.close();
        return this.#events.onMoved();
    }
  }

  #note({ requests, active, sockets, generating, lag, tokens, durations }: Frame): void {
    const told = parseDurations(durations);
    const count = (value: unknown) => (typeof value === 'number' ? value : 0);
    this.stats = {
      heardAt: Date.now(),
      requests: count(requests),
      active: count(active),
      sockets: count(sockets),
      generating: count(generating),
      ...(lag !== undefined && { lag: count(lag) }),
      ...(tokens !== undefined && { tokens: count(tokens) }),
      ...(told && { durations: told }),
    };
  }

  send(frame: Frame): void {
    const { control } = this.#channels;
    if (control.writable) control.write(encode(frame));
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#ended || this.pid === undefined) return;
    try {
      process.kill(this.pid, signal);
    } catch {
      // It has just ended: the end of its control channel tells us.
    }
  }

  forked(pid: number): void {
    this.pid = pid;
  }

  /** How it ended, from the preload process. Reported once all of its output has arrived. */
  exited(ending: Ending): void {
    if (!this.#ending) {
      this.#ending = ending;
      // A program that the worker started may hold its output open for ever.
      setTimeout(() => {
        this.#openOutputs = 0;
        this.exited(ending);
      }, ENDING_GRACE);
    }
    if (this.#ended || this.#openOutputs > 0) return;
    this.#ended = true;
    this.#events.onExited(this.#ending);
  }

  close(): void {
    this.#ended = true;
    for (const socket of Object.values(this.#channels)) socket.destroy();
  }

  #pipe(socket: Socket, write: (text: string) => void): void {
    // PM2 decodes each chunk by itself: a character that two chunks share would be lost.
    const utf8 = new StringDecoder('utf8');
    socket.on('data', (data) => write(utf8.write(data)));
    socket.on('close', () => {
      this.#openOutputs -= 1;
      if (this.#ending) this.exited(this.#ending);
    });
  }
}
