import { setImmediate as turn } from 'node:timers/promises';
import { EXIT, TuneError } from '../errors.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** What asks us to end in the middle of work that has to be ended in order. */
export interface Interrupts {
  /** Runs `work`; its programs are ended, and it rejects, when we are asked to end. */
  allow<T>(work: () => Promise<T>): Promise<T>;
}

let isInOrder = false;
let allowed: AbortSignal | undefined;

/**
 * Runs `work` so that no signal ends us in the middle of it, nor a terminal that is closed: it is asked to end, where it
 * allows that, and is waited for.
 */
export async function endInOrder<T>(work: (interrupts: Interrupts) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = (name: NodeJS.Signals) =>
    controller.abort(new TuneError(`interrupted by ${name}`, EXIT.service));
  // What is told to a terminal that is gone is lost, and nothing else.
  const ignore = () => {};
  for (const name of SIGNALS) process.on(name, stop);
  for (const stream of [process.stdout, process.stderr]) stream.on('error', ignore);
  isInOrder = true;
  try {
    return await work({
      allow: async (some) => {
        // Node hears of a signal between two turns of its loop, and the work before may have had none.
        await turn();
        controller.signal.throwIfAborted();
        allowed = controller.signal;
        try {
          return await some();
        } catch (error) {
          throw controller.signal.aborted ? controller.signal.reason : error;
        } finally {
          allowed = undefined;
        }
      },
    });
  } finally {
    isInOrder = false;
    for (const name of SIGNALS) process.off(name, stop);
    for (const stream of [process.stdout, process.stderr]) stream.off('error', ignore);
  }
}

/**
 * For each program that is started: in work that is ended in order, it is out of the terminal's own signals (Ctrl-C reaches
 * us alone) and is ended by us where the work allows it.
 */
export function spawnOptions(): { detached?: boolean; signal?: AbortSignal } {
  return { ...(isInOrder && { detached: true }), ...(allowed && { signal: allowed }) };
}
