/** Counts log entries that could not be written. */

export class LogLoss {
  readonly #now: () => number;
  #since: number | undefined;
  #entries = 0;
  #reason = '';

  /** `now` counts milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** One more entry is lost. The first reason is kept: later ones only say that Node has given the stream up. */
  failed(error: Error): void {
    if (this.#since === undefined) {
      this.#since = this.#now();
      this.#reason = error.message;
    }
    this.#entries += 1;
  }

  /** The log can be written again. */
  over(): void {
    this.#since = undefined;
    this.#entries = 0;
  }

  /** What is lost, in words; undefined where nothing is. */
  inWords(): string | undefined {
    if (this.#since === undefined) return undefined;
    const seconds = Math.round((this.#now() - this.#since) / 1000);
    return `the log could not be written for ${seconds} s: ${this.#reason}; entries lost: ${this.#entries}`;
  }
}
