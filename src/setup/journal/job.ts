import { EXIT, TuneError } from '../../base/errors.ts';
import type { Interrupts } from '../../base/io/interrupts.ts';
import type { Journal, JournalEntry } from './journal.ts';
import { points } from './points.ts';

export interface JobStep<D> {
  name: string;
  /** Does it; again, where an earlier attempt was cut short. `note` keeps something in the journal meanwhile. */
  do(data: D, note: (change: Partial<D>) => void): Promise<Partial<D> | undefined>;
  /** Takes it back, as far as it was done. */
  undo?(data: D): Promise<void>;
}

/**
 * Something that changes an installation step by step. What is cut short before `forwardFrom` is undone, what is cut short
 * later is completed. What fails is undone, unless it is as late as `completeFrom`.
 */
export interface Job<D> {
  command: JournalEntry['command'];
  what: string;
  steps: readonly JobStep<D>[];
  /** Undefined: it is always undone. */
  forwardFrom?: string;
  completeFrom?: string;
}

export interface JobContext {
  journal: Journal;
  interrupts: Interrupts;
  tell: (text: string) => void;
}

/** Does all steps. Throws what made it fail, once that is undone; or TuneError where that failed too. */
export function runJob<D extends object>(job: Job<D>, data: D, context: JobContext): Promise<D> {
  return new Run(job, data, new Date().toISOString(), context).forward(0);
}

/** Completes or undoes what the journal says. Throws as runJob does. */
export async function resumeJob<D extends object>(
  job: Job<D>,
  { step, undoing, data, begun }: JournalEntry,
  context: JobContext,
): Promise<'completed' | 'undone'> {
  const run = new Run(job, data as D, begun, context);
  const index = job.steps.findIndex(({ name }) => name === step);
  if (index < 0) throw new Error(`${job.command} has no step ${step}`);
  if (undoing || index < run.turningPoint) {
    await run.back(index);
    return 'undone';
  }
  await run.forward(index);
  return 'completed';
}

class Run<D extends object> {
  readonly #job: Job<D>;
  readonly #begun: string;
  readonly #context: JobContext;
  #data: D;
  /** Whether a run that reads the journal now undoes: then what is undone need not be written. */
  #isUndoneByNext = true;

  constructor(job: Job<D>, data: D, begun: string, context: JobContext) {
    this.#job = job;
    this.#data = data;
    this.#begun = begun;
    this.#context = context;
  }

  /** Index of the first step that is rather completed than undone. */
  get turningPoint(): number {
    return this.#indexOf(this.#job.forwardFrom);
  }

  #indexOf(name: string | undefined): number {
    return name === undefined
      ? Number.POSITIVE_INFINITY
      : this.#job.steps.findIndex((step) => step.name === name);
  }

  async forward(from: number): Promise<D> {
    const { steps } = this.#job;
    let index = from;
    try {
      for (const step of steps.slice(from)) {
        this.#write(step.name, false);
        const work = () =>
          step.do(this.#data, (change) => {
            this.#data = { ...this.#data, ...change };
            this.#write(step.name, false);
          });
        const mayEnd = index < this.turningPoint;
        const change = await (mayEnd ? this.#context.interrupts.allow(work) : work());
        this.#data = { ...this.#data, ...change };
        points.reach(`${step.name} done`);
        index++;
      }
    } catch (error) {
      if (index >= this.#indexOf(this.#job.completeFrom)) throw this.#stuck(error, 'completing it');
      await this.back(index, error);
      throw error;
    }
    this.#context.journal.remove();
    return this.#data;
  }

  /** Undoes the step of that index and all before it. */
  async back(index: number, cause?: unknown): Promise<void> {
    if (cause !== undefined) this.#context.tell(`${this.#job.what} failed: undoing it`);
    try {
      for (const step of this.#job.steps.slice(0, index + 1).reverse()) {
        if (!step.undo) continue;
        this.#write(step.name, true);
        await step.undo(this.#data);
        points.reach(`${step.name} undone`);
      }
    } catch (error) {
      throw this.#stuck(error, 'undoing it', cause);
    }
    this.#context.journal.remove();
  }

  #write(step: string, undoing: boolean): void {
    const { command, what } = this.#job;
    points.reach(`${step} ${undoing ? 'undo' : 'do'}`);
    const data = { ...this.#data } as JournalEntry['data'];
    try {
      this.#context.journal.write({ command, what, begun: this.#begun, step, undoing, data });
      this.#isUndoneByNext = undoing || this.#indexOf(step) < this.turningPoint;
    } catch (error) {
      // On a full disk there has to be a way back.
      if (!undoing || !this.#isUndoneByNext) throw error;
    }
    points.reach(`${step} ${undoing ? 'undoing' : 'doing'}`);
  }

  #stuck(error: unknown, doing: string, cause?: unknown): TuneError {
    const first = cause === undefined ? '' : `${messageOf(cause)}\n\nThen:\n`;
    return new TuneError(
      `${this.#job.what} is half done, for ${doing} failed:\n${first}${messageOf(error)}`,
      EXIT.service,
      [
        'mend that, then: webui-tune resume',
        `nothing is lost: ${this.#context.journal.path} knows what is where`,
      ],
    );
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
