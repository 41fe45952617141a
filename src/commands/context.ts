import type { Command } from 'commander';
import type { ExitCode } from '../base/errors.ts';
import type { Terminal } from '../base/io/terminal.ts';

/** What a command is added with. */
export interface CommandContext {
  program: Command;
  /** Adds the options of every command that makes a plan. */
  addPlanOptions: (command: Command) => Command;
  terminal: Terminal;
  /** Gets the exit code of the command that ran. */
  done: (code: ExitCode) => void;
}
