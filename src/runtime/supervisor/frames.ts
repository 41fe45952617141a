/** Encodes and decodes frames: one JSON object a line. The Python side is preload/webui_preload/protocol.py. */

import { StringDecoder } from 'node:string_decoder';
import { LONGEST_FRAME } from '../frame-names.ts';

export type Frame = Record<string, unknown>;

export function encode(frame: Frame): string {
  return `${JSON.stringify(frame)}\n`;
}

/** Cuts a byte stream into frames; throws where a line is not a JSON object, or too long. */
export class Decoder {
  #rest = '';
  readonly #utf8 = new StringDecoder('utf8');

  feed(data: Buffer): Frame[] {
    const lines = (this.#rest + this.#utf8.write(data)).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > LONGEST_FRAME) throw new Error('a line of the control socket is too long');
    return lines.map((line) => {
      const frame: unknown = JSON.parse(line);
      if (typeof frame !== 'object' || frame === null || Array.isArray(frame)) {
        throw new Error('a line of the control socket is not an object');
      }
      return frame as Frame;
    });
  }
}

/** The string under `key`; throws where there is none. */
export function text(frame: Frame, key: string): string {
  const value = frame[key];
  if (typeof value !== 'string') throw new Error(`a frame of the control socket has no ${key}`);
  return value;
}
