#!/usr/bin/env node
import { CommanderError } from 'commander';
import { EXIT, type ExitCode, TuneError } from './base/errors.ts';
import { realTerminal, type Terminal } from './base/io/terminal.ts';
import { makeProgram } from './commands/program.ts';

async function main(terminal: Terminal): Promise<ExitCode> {
  let code: ExitCode = EXIT.ok;
  const program = makeProgram(terminal, (result) => {
    code = result;
  });
  try {
    await program.parseAsync();
    return code;
  } catch (error) {
    return explain(error, terminal);
  }
}

/** Errors of the user are told in their own words, ours with the stack. */
function explain(error: unknown, { err, colors }: Terminal): ExitCode {
  // commander has printed its own; help and version end the same way, with code 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof TuneError) {
    err(`${colors.red('error:')} ${error.message}\n`);
    for (const line of error.mend) err(`  ${line}\n`);
    return error.exitCode;
  }
  err(`${colors.red('webui-tune failed:')} ${error instanceof Error ? error.stack : String(error)}\n`);
  return EXIT.internal;
}

// A reader that has seen enough (`webui-tune | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

// Not process.exit(): what is on its way into a pipe must arrive.
process.exitCode = await main(realTerminal());
