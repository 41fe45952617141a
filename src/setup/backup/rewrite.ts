import { Transform, type TransformCallback } from 'node:stream';

const NEWLINE = 10;
const NOTHING = Buffer.alloc(0);

/** How pg_dump ends the rows of a COPY: a line of its own. */
const END_OF_ROWS = '\n\\.\n';

interface Rewriting {
  /** The schema where the object of that schema and name goes; undefined: it stays as it is written. */
  schemaFor: (schema: string, name: string) => string | undefined;
  /** Settings that the server knows: a newer pg_restore sets some that it does not. */
  settings: ReadonlySet<string>;
}

/**
 * Rewrites SQL of pg_restore while it passes: names of the objects in another schema, and settings that the server lacks.
 * Rows go through untouched, whatever is in them and however long they are.
 */
export class Rewrite extends Transform {
  readonly #rewriting: Rewriting;
  #rest: Buffer = NOTHING;
  #inRows = false;

  constructor(rewriting: Rewriting) {
    super();
    this.#rewriting = rewriting;
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    this.#rest = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    while (this.#inRows ? this.#passRows() : this.#passLine());
    done();
  }

  override _flush(done: TransformCallback): void {
    if (this.#rest.length > 0) this.push(this.#rest);
    done();
  }

  /** Whether there may be more to pass. */
  #passRows(): boolean {
    const end = this.#rest.indexOf(END_OF_ROWS);
    // Where it is not there yet, its beginning may be.
    const length =
      end >= 0 ? end + END_OF_ROWS.length : Math.max(0, this.#rest.length - END_OF_ROWS.length + 1);
    if (length > 0) this.push(this.#rest.subarray(0, length));
    this.#rest = this.#rest.subarray(length);
    this.#inRows = end < 0;
    return !this.#inRows;
  }

  #passLine(): boolean {
    const end = this.#rest.indexOf(NEWLINE);
    if (end < 0) return false;
    const line = this.#rest.subarray(0, end).toString('utf8');
    this.#inRows = /^COPY .* FROM stdin;$/.test(line);
    // The rows begin with the end of this line, so that their own end is found where there are none.
    const rewritten = this.#rewriteLine(line);
    this.push(this.#inRows ? rewritten : `${rewritten}\n`);
    this.#rest = this.#rest.subarray(this.#inRows ? end : end + 1);
    return true;
  }

  #rewriteLine(line: string): string {
    const setting = /^SET (\w+) = /.exec(line)?.[1];
    if (setting !== undefined && !this.#rewriting.settings.has(setting)) return '';
    return line.replaceAll(QUALIFIED, (text, schema: string, name: string) => {
      const target = this.#rewriting.schemaFor(unquote(schema), unquote(name));
      return target === undefined ? text : `${quote(target)}.${name}`;
    });
  }
}

const IDENTIFIER = `"(?:[^"]|"")+"|[a-z_][a-z0-9_$]*`;
const QUALIFIED = new RegExp(String.raw`(?<![\w."$])(${IDENTIFIER})\.(${IDENTIFIER})`, 'g');

function unquote(identifier: string): string {
  return identifier.startsWith('"') ? identifier.slice(1, -1).replaceAll('""', '"') : identifier;
}

export function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
