import type { Command } from 'commander';
import type { ExitCode } from '../base/errors.ts';
import type { Terminal } from '../base/io/terminal.ts';

/** What each command needs to add itself to the program. */
export interface CommandContext {
  program: Command;
  terminal: Terminal;
  /** Gets the exit code of the command that ran. */
  done: (code: ExitCode) => void;
}
