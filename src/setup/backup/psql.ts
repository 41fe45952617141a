import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { pipeline } from 'node:stream/promises';
import { spawnOptions } from '../../base/io/interrupts.ts';
import { type Database, toolFailed, toolOf } from './tools.ts';

/** Between two cells of a row: no name and no number holds it. */
const SEPARATOR = '\t';

/**
 * A session of psql. It lives as long as we do: without us it sees the end of its input, and PostgreSQL undoes the
 * transaction that we have not committed.
 */
export class Psql {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<unknown>;
  #isOver = false;
  #errors = '';
  #output = '';
  #heard: () => void = () => {};
  #asked = 0;

  private constructor(database: Database) {
    const args = ['-X', '-q', '-A', '-t', '-F', SEPARATOR, '-v', 'ON_ERROR_STOP=1', '-f', '-'];
    this.#child = spawn(toolOf(database, 'psql'), args, {
      env: database.env,
      stdio: 'pipe',
      ...spawnOptions(),
    });
    // A psql that ends early closes its input: its words tell more than the broken pipe.
    this.#child.stdin.on('error', () => {});
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-10_000);
    });
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
      this.#heard();
    });
    this.#ended = new Promise<void>((resolve) => {
      const end = () => {
        this.#isOver = true;
        this.#heard();
        resolve();
      };
      this.#child.on('error', (error) => {
        this.#errors += error.message;
        end();
      });
      this.#child.on('close', end);
    });
  }

  /** Runs `work` with a session of its own. Throws TuneError with psql's words where a statement fails. */
  static async with<T>(database: Database, work: (psql: Psql) => Promise<T>): Promise<T> {
    const psql = new Psql(database);
    try {
      return await work(psql);
    } finally {
      psql.#child.stdin.end();
      await psql.#ended;
    }
  }

  /** Rows of the answer, each as its cells. */
  async ask(sql: string): Promise<string[][]> {
    const mark = `webui-tune ${this.#asked++}`;
    // What was printed before is nobody's answer.
    this.#output = '';
    this.#child.stdin.write(`\\echo ${mark}\n${sql}\n;\n\\echo ${mark}\n`);
    const [begin, end] = [`${mark}\n`, `\n${mark}\n`];
    for (;;) {
      const start = this.#output.indexOf(begin);
      const stop = this.#output.indexOf(end, start + begin.length - 1);
      if (start >= 0 && stop >= 0) {
        const answer = this.#output.slice(start + begin.length, stop);
        return answer === '' ? [] : answer.split('\n').map((line) => line.split(SEPARATOR));
      }
      if (this.#isOver) throw toolFailed('psql', this.#errors);
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
  }

  /** The one cell of the answer. */
  async askOne(sql: string): Promise<string> {
    return (await this.ask(sql))[0]?.[0] ?? '';
  }

  /** Runs the SQL of a stream as it comes. */
  async feed(source: AsyncIterable<Buffer>, rewrite: NodeJS.ReadWriteStream): Promise<void> {
    try {
      await pipeline(source, rewrite, this.#child.stdin, { end: false });
    } catch (error) {
      // Whichever of the two broke the pipe: psql says why it ended.
      if (this.#child.stdin.destroyed) await this.#ended;
      if (this.#isOver && this.#errors !== '') throw toolFailed('psql', this.#errors);
      throw error;
    }
  }
}
