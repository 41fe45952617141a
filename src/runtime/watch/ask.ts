/** Asks supervisors on their sockets, with Node's own modules alone: what looks every two seconds is to stay small. */

import { connect } from 'node:net';
import { join } from 'node:path';
import { systemCode } from '../../base/errors.ts';
import { namesIn } from '../../base/io/read.ts';
import { isRunning } from '../../base/machine/process-table.ts';
import { ROLES } from '../frame-names.ts';
import { Decoder, encode, type Frame } from '../supervisor/frames.ts';
import { parseSocketName } from '../supervisor/report.ts';

/** Milliseconds that a supervisor has to answer. It idles, and needs one. Prometheus gives us 10 s. */
const TIMEOUT = 500;

export interface Answer {
  instance: string;
  pid: number;
  /** Its report (supervisor/report.ts), as it came; undefined: it does not answer. */
  frame: Frame | undefined;
}

/** The answers of all supervisors that live; `folder` is that of the control socket. */
export async function askAll(folder: string): Promise<Answer[]> {
  const living = namesIn(folder).flatMap((name) => {
    const parsed = parseSocketName(name);
    return parsed && isRunning(parsed.pid) ? [{ ...parsed, path: join(folder, name) }] : [];
  });
  const answers = await Promise.all(
    living.map(async ({ path, ...supervisor }) => ({ ...supervisor, frame: await ask(path) })),
  );
  return answers.flatMap(({ frame, ...supervisor }) =>
    frame === 'nobody' ? [] : [{ ...supervisor, frame }],
  );
}

/** `nobody`: the supervisor of the socket was killed, and another process has its pid. */
function ask(path: string): Promise<Frame | 'nobody' | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const decoder = new Decoder();
    const finish = (frame: Frame | 'nobody' | undefined) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(frame);
    };
    const timer = setTimeout(() => finish(undefined), TIMEOUT);
    socket.on('error', (error) => {
      const code = systemCode(error) ?? '';
      finish(['ECONNREFUSED', 'ENOENT'].includes(code) ? 'nobody' : undefined);
    });
    socket.on('close', () => finish(undefined));
    socket.on('data', (data) => {
      try {
        const [frame] = decoder.feed(data);
        if (frame) finish(frame);
      } catch {
        finish(undefined);
      }
    });
    socket.write(encode({ role: ROLES.watch }));
  });
}
