/**
 * What a test or a benchmark started, and how to end it. Everything in this kit takes a scope and registers its
 * own end there, so that a failing test leaves as little behind as a passing one.
 */
type Closer = () => void | Promise<void>;

export class Scope {
  #closers: { what: string; close: Closer }[] = [];

  defer(what: string, close: Closer): void {
    this.#closers.push({ what, close });
  }

  /** Ends everything, the newest first. One failure does not keep the others from being ended. */
  async close(): Promise<void> {
    const failures: Error[] = [];
    for (const { what, close } of this.#closers.splice(0).reverse()) {
      try {
        await close();
      } catch (error) {
        failures.push(new Error(`ending ${what} failed`, { cause: error }));
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, failures.map(describe).join('\n'));
  }
}

function describe(error: Error): string {
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
