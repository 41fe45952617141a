/* Work that can wait leaves the processors to those that somebody waits for. */
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds of work, and of the pause after it, while others need the processors: a quarter of the time. */
const WORK_MS = 100;
const PAUSE_MS = 300;
/** Of the pause: enough to see what others need, as the kernel counts in hundredths of a second. */
const LOOK_MS = 150;
/** Milliseconds of work until the next look, while nobody needs them. */
const ALONE_MS = 2_000;
/** So many idle processors are enough for all that we start; on a smaller machine, this share of its processors. */
const ENOUGH = { processors: 2, share: 0.7 };

/** Clock ticks of all processors since the boot. */
export interface Ticks {
  idle: number;
  all: number;
  processors: number;
}

export interface PacerMachine {
  ticks(): Ticks;
  /** Milliseconds. */
  now(): number;
  pause(ms: number): Promise<unknown>;
}

/**
 * Pauses work that is done piece by piece. Priorities would not do: the kernel weighs them within a session (sched(7), "The
 * autogroup feature"), and PM2 gives each app one of its own. What others need is seen while we pause.
 */
export class Pacer {
  readonly #machine: PacerMachine;
  #next: number;

  constructor(machine: PacerMachine = THIS_MACHINE) {
    this.#machine = machine;
    this.#next = machine.now() + WORK_MS;
  }

  /** To be awaited after each piece: whatever is read or written next has to wait too. */
  async pace(): Promise<void> {
    if (this.#machine.now() < this.#next) return;
    const before = this.#machine.ticks();
    await this.#machine.pause(LOOK_MS);
    const isAlone = isEnough(before, this.#machine.ticks());
    if (!isAlone) await this.#machine.pause(PAUSE_MS - LOOK_MS);
    this.#next = this.#machine.now() + (isAlone ? ALONE_MS : WORK_MS);
  }
}

function isEnough(before: Ticks, { idle, all, processors }: Ticks): boolean {
  const ticks = all - before.all;
  if (ticks <= 0) return false;
  const share = (idle - before.idle) / ticks;
  return share * processors >= Math.min(ENOUGH.processors, ENOUGH.share * processors);
}

const THIS_MACHINE: PacerMachine = {
  ticks: () => {
    const all = cpus();
    const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
    return {
      idle: sum(all.map(({ times }) => times.idle)),
      all: sum(all.map(({ times }) => sum(Object.values(times)))),
      processors: all.length,
    };
  },
  now: () => performance.now(),
  pause: sleep,
};
