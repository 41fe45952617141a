/** Counts what could not be written to the log. */

export class LogLoss {
  readonly #now: () => number;
  #since: number | undefined;
  #entries = 0;
  #reason = '';

  /** `now` counts milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** One entry more is lost. The first reason counts: the later ones are only that the stream was given up. */
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

  /** What is lost; undefined where nothing is. */
  inWords(): string | undefined {
    if (this.#since === undefined) return undefined;
    const seconds = Math.round((this.#now() - this.#since) / 1000);
    return `the log could not be written for ${seconds} s: ${this.#reason}; entries lost: ${this.#entries}`;
  }
}
