import { createHash } from 'node:crypto';
import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Header, Pax } from 'tar';
import { systemCode } from '../../base/errors.ts';
import { Pacer } from '../../base/machine/pacer.ts';

/** Bytes of a tar's unit (POSIX, "ustar"). */
const BLOCK = 512;
/** Bytes that are read at once: all that a backup takes of memory, however large the data is. */
const CHUNK = 1024 * 1024;
/** The last entry: what all bytes before it add up to. One block of it, and two that end the file. */
const CHECKSUM = 'checksum';
const CLOSING = 4 * BLOCK;
/** Milliseconds within which a second change may leave the time of the first: the kernel counts these times in its ticks. */
const TICK = 20;

/** What became of a file: it is in the archive, there is none, or it changed while it was read. */
export type Added = 'whole' | 'gone' | 'changed';

/** A new tar file, which only its owner may read. Files may change while they are packed. */
export class TarFile {
  readonly #file: FileHandle;
  readonly #chunk = Buffer.alloc(CHUNK);
  readonly #pacer = new Pacer();
  #hash = createHash('sha256');
  #size = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Throws Node's system errors; where there is something of that name too. */
  static async create(path: string): Promise<TarFile> {
    const { O_CREAT, O_EXCL, O_WRONLY, O_NOFOLLOW } = constants;
    return new TarFile(await open(path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600));
  }

  async addText(name: string, text: string): Promise<void> {
    const content = Buffer.from(text);
    await this.#addHeader(name, content.length, { mode: 0o600, mtime: new Date() });
    await this.#write(content);
    await this.#pad(content.length);
  }

  /**
   * Adds a file as it is. One that changes while it is read is left out, to be tried again later; with `anyway` it is added
   * with as many bytes as it had at first, if it still has them.
   */
  async addFile(name: string, path: string, { anyway = false } = {}): Promise<Added> {
    let source: FileHandle;
    try {
      source = await open(path);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return 'gone';
      throw error;
    }
    const start = { hash: this.#hash.copy(), size: this.#size };
    try {
      const begun = Date.now();
      const before = await source.stat({ bigint: true });
      const size = Number(before.size);
      await this.#addHeader(name, size, { mode: Number(before.mode) & 0o777, mtime: before.mtime });
      const isLong = await this.#copy(source, size);
      if (isLong) await this.#pad(size);
      const isWhole = isLong && isUnchanged(before, await source.stat({ bigint: true }), begun);
      if (isWhole) return 'whole';
      if (isLong && anyway) return 'changed';
      // Written over by what comes next.
      this.#hash = start.hash;
      this.#size = start.size;
      return 'changed';
    } finally {
      await source.close();
    }
  }

  /** Adds so many bytes of a stream. Returns whether it had them all: if not, the file is of no use. */
  async addStream(name: string, size: number, content: AsyncIterable<Buffer>): Promise<boolean> {
    await this.#addHeader(name, size, { mode: 0o600, mtime: new Date() });
    let count = 0;
    for await (const bytes of content) {
      await this.#write(bytes);
      count += bytes.length;
    }
    await this.#pad(size);
    return count === size;
  }

  /** Completes the file, and returns once it is on disk. */
  async finish(): Promise<void> {
    const sum = this.#hash.digest('hex');
    this.#hash = createHash('sha256');
    await this.addText(CHECKSUM, sum);
    await this.#write(Buffer.alloc(2 * BLOCK));
    await this.#file.truncate(this.#size);
    await this.#file.sync();
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** Whether the source had that many bytes. */
  async #copy(source: FileHandle, size: number): Promise<boolean> {
    for (let left = size; left > 0; ) {
      const { bytesRead } = await source.read(this.#chunk, 0, Math.min(left, CHUNK), size - left);
      if (bytesRead === 0) return false;
      await this.#write(this.#chunk.subarray(0, bytesRead));
      left -= bytesRead;
    }
    return true;
  }

  async #addHeader(path: string, size: number, about: { mode: number; mtime: Date }): Promise<void> {
    const header = new Header({ path, size, type: 'File', ...about });
    if (header.encode()) await this.#write(new Pax({ path, size }).encode());
    await this.#write(header.block as Buffer);
  }

  #pad(size: number): Promise<void> {
    return this.#write(Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK));
  }

  async #write(bytes: Buffer): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, this.#size + done);
      done += bytesWritten;
    }
    this.#hash.update(bytes);
    this.#size += bytes.length;
    await this.#pacer.pace();
  }
}

/** Whether a file that was read from `begun` on is of one piece. */
function isUnchanged(before: BigIntStats, after: BigIntStats, begun: number): boolean {
  if (after.size !== before.size || after.mtimeNs !== before.mtimeNs) return false;
  return Math.abs(begun - Number(after.mtimeMs)) > TICK;
}

/** Whether a file that TarFile has written is still what it was; reads all of it. */
export async function isWhole(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const chunk = Buffer.alloc(CHUNK);
    const hash = createHash('sha256');
    const pacer = new Pacer();
    const end = size - CLOSING;
    if (end < 0) return false;
    for (let position = 0; position < end; ) {
      const { bytesRead } = await file.read(chunk, 0, Math.min(CHUNK, end - position), position);
      if (bytesRead === 0) return false;
      hash.update(chunk.subarray(0, bytesRead));
      position += bytesRead;
      await pacer.pace();
    }
    const { bytesRead } = await file.read(chunk, 0, CLOSING, end);
    const closing = chunk.subarray(0, bytesRead).toString('latin1');
    return closing.startsWith(`${CHECKSUM}\0`) && closing.slice(BLOCK).startsWith(`${hash.digest('hex')}\0`);
  } finally {
    await file.close();
  }
}
