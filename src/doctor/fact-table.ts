import { TuneError } from '../base/errors.ts';
import { type Absent, absent, isAbsent, known, type Outcome, valueIfKnown } from './outcome.ts';

/** How one fact is read. `G` is what is given, `F` are the facts above this row, `R` is what `read` returns. */
export interface Row<G, F, N extends keyof F, U extends keyof F, R> {
  /** In words for people: why another fact or check cannot be had when this one could not be read. */
  lacking: string;
  /** Facts without which there is nothing to read. */
  needs?: readonly N[];
  /** Facts that it looks at where they are known. */
  uses?: readonly U[];
  /** Facts that have to be read first: they would disturb this measurement, or it would disturb them. */
  after?: readonly (keyof F)[];
  /** Throws TuneError where the fact cannot be read; returns the reason where there is none to be had. */
  read(facts: Pick<F, N> & Partial<Pick<F, U>>, given: G): R;
}

type Outcomes<F> = { readonly [K in keyof F]: Outcome<F[K]> };

interface UntypedRow<G> {
  lacking: string;
  needs: readonly string[];
  uses: readonly string[];
  after: readonly string[];
  read(facts: Readonly<Record<string, unknown>>, given: G): unknown;
}

/**
 * A table of facts, a row for each. A row names only facts above it, so that there is no circle, and the type of all
 * facts follows from what the rows return.
 */
export class FactTable<G, F extends object = Record<never, never>> {
  readonly #rows: ReadonlyMap<string, UntypedRow<G>>;

  constructor(rows: ReadonlyMap<string, UntypedRow<G>> = new Map()) {
    this.#rows = rows;
  }

  row<K extends string, R, N extends keyof F = never, U extends keyof F = never>(
    name: K,
    { needs = [], uses = [], after = [], ...row }: Row<G, F, N, U, R>,
  ): FactTable<G, F & Record<K, Exclude<Awaited<R>, Absent>>> {
    const untyped = { ...row, needs, uses, after } as unknown as UntypedRow<G>;
    return new FactTable(new Map([...this.#rows, [name, untyped]]));
  }

  /** What to say, for people, where a fact is missing. */
  get lacking(): Readonly<Record<keyof F, string>> {
    const entries = [...this.#rows].map(([name, { lacking }]) => [name, lacking]);
    return Object.fromEntries(entries) as Record<keyof F, string>;
  }

  /** Reads every fact once, each as soon as those that it names have been read. What cannot be read is an outcome. */
  async read(given: G): Promise<Outcomes<F>> {
    const reading = new Map<string, Promise<Outcome<unknown>>>();
    for (const [name, row] of this.#rows) reading.set(name, this.#readRow(row, given, reading));
    const outcomes = await Promise.all([...reading].map(async ([name, outcome]) => [name, await outcome]));
    return Object.fromEntries(outcomes) as Outcomes<F>;
  }

  async #readRow(
    row: UntypedRow<G>,
    given: G,
    reading: ReadonlyMap<string, Promise<Outcome<unknown>>>,
  ): Promise<Outcome<unknown>> {
    const facts: Record<string, unknown> = {};
    await Promise.all([...row.needs, ...row.uses, ...row.after].map((name) => reading.get(name)));
    for (const name of row.needs) {
      const outcome = await reading.get(name);
      if (outcome?.state !== 'known') return this.#without(name, outcome);
      facts[name] = outcome.value;
    }
    for (const name of row.uses) {
      const outcome = await reading.get(name);
      facts[name] = outcome && valueIfKnown(outcome);
    }
    try {
      const value = await row.read(facts, given);
      return isAbsent(value) ? value : known(value);
    } catch (error) {
      if (error instanceof TuneError) return { state: 'failed', error };
      throw error; // a bug of ours
    }
  }

  #without(name: string, outcome: Exclude<Outcome<unknown>, { state: 'known' }> | undefined): Absent {
    if (outcome?.state === 'absent') return outcome;
    return absent(lackingFact(this.#rows.get(name)?.lacking ?? name, outcome?.error.message ?? ''));
  }
}

/** Why there is nothing to look at: what is lacking, and the first line of the error. */
export function lackingFact(lacking: string, message: string): string {
  return `${lacking}: ${message.split('\n', 1)[0]}`;
}
