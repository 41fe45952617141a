/**
 * What a measurement or a test has started, and how to end it. Whatever starts something takes a scope and registers
 * the end there, so that a failure leaves as little behind as a success.
 */
type Closer = () => void | Promise<void>;

export class Scope {
  #closers: { what: string; close: Closer }[] = [];
  #closing: Promise<void> = Promise.resolve();

  defer(what: string, close: Closer): void {
    this.#closers.push({ what, close });
  }

  /**
   * Ends everything, the newest first. One failure does not keep the others from being ended. Called during a close,
   * it also ends what was started meanwhile.
   */
  close(): Promise<void> {
    this.#closing = this.#closing.catch(() => {}).then(() => this.#closeAll());
    return this.#closing;
  }

  async #closeAll(): Promise<void> {
    const failures: Error[] = [];
    for (let next = this.#closers.pop(); next; next = this.#closers.pop()) {
      try {
        await next.close();
      } catch (error) {
        failures.push(new Error(`ending ${next.what} failed`, { cause: error }));
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, failures.map(describe).join('\n'));
  }
}

function describe(error: Error): string {
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
