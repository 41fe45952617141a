import { readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { EXIT, systemCode, TuneError } from '../../base/errors.ts';
import { flushFolder, makePrivateFolder, writeAtomically } from '../../base/io/write.ts';

const Entry = z.object({
  command: z.enum(['backup', 'restore', 'upgrade', 'migrate', 'migrate back']),
  /** What it does, in words: "the restore of /backups/monday.tar". */
  what: z.string(),
  /** ISO 8601. */
  begun: z.string(),
  /** The step that is being done, or undone. */
  step: z.string(),
  undoing: z.boolean(),
  /** What the steps need to go on or back. */
  data: z.record(z.string(), z.unknown()),
});

/** What a command is in the middle of. */
export type JournalEntry = z.infer<typeof Entry>;

/** The file that says what an installation is in the middle of; there is none where that is nothing. */
export class Journal {
  readonly path: string;

  /** `folder` is that of the installation. */
  constructor(folder: string) {
    this.path = join(folder, 'journal.json');
  }

  /** Throws TuneError for a file that is not ours. */
  read(): JournalEntry | undefined {
    let text: string;
    try {
      text = readFileSync(this.path, 'utf8');
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw new TuneError(`${this.path} cannot be read: ${systemCode(error)}`, EXIT.output);
    }
    try {
      return Entry.parse(JSON.parse(text));
    } catch {
      throw new TuneError(
        `${this.path} does not say what was begun: this version of webui-tune did not write it`,
        EXIT.settings,
        ['run webui-tune resume of the version that did'],
      );
    }
  }

  /** On disk when it returns. Throws Node's system errors. */
  write(entry: JournalEntry): void {
    makePrivateFolder(dirname(this.path));
    writeAtomically(this.path, `${JSON.stringify(entry, undefined, 2)}\n`, 0o600);
  }

  remove(): void {
    rmSync(this.path, { force: true });
    flushFolder(dirname(this.path));
  }
}

/** A line for people about what is half done; undefined: nothing is. */
export function unfinishedLine(journal: Journal): string | undefined {
  try {
    const entry = journal.read();
    if (!entry) return undefined;
    const stands = entry.undoing ? 'is half undone' : 'is half done';
    return `${entry.what}, begun at ${entry.begun}, ${stands} (${entry.step})`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
