import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../errors.ts';
import type { Terminal } from '../io/terminal.ts';
import type { DoctorCommandOptions } from './doctor.ts';

const HELP = `
Examples:
  $ webui-tune doctor
  $ webui-tune doctor --verbose
  $ webui-tune doctor --fix
  $ webui-tune doctor --json | jq '.findings[] | select(.verdict == "error")'
  $ webui-tune doctor /srv/openwebui/ecosystem.config.js

Looks at the ecosystem file, the settings, PostgreSQL, Redis and the vector store, the files, PM2, and the running
cluster; without a file here, at the installation that webui-tune up has made. --fix mends modes of files, what is left
of earlier runs, settings of the Valkey that is ours, and pm2 save: nothing that could lose anything.

Exit codes:
  ${EXIT.ok}  all is well; there may be notes
  ${EXIT.usage}  the command line is wrong
  ${EXIT.doubtful}  there are warnings: it works, and will not always
  ${EXIT.unhealthy}  there are errors: something does not work
`;

/** Its code is loaded when it runs: the others start in the time that they always did. */
export function addDoctorCommand(
  program: Command,
  addPlanOptions: (command: Command) => Command,
  terminal: Terminal,
  done: (code: ExitCode) => void,
): void {
  addPlanOptions(
    program
      .command('doctor')
      .argument('[file]', 'ecosystem file (default: the one here, else the one of webui-tune up)')
      .description(
        'check the installation and the running cluster: what is wrong, why it matters, how to mend it',
      ),
  )
    .option('--verbose', 'why, mend and source of every check')
    .option('--fix', 'mend what can be mended without losing anything')
    .option('--json', 'print all findings as JSON (zod schema: DoctorSchema)')
    .addHelpText('after', HELP)
    .action(async (file: string | undefined, options: DoctorCommandOptions) => {
      const { runDoctor } = await import('./doctor.ts');
      done(await runDoctor({ ...options, ...(file !== undefined && { file }) }, terminal));
    });
}
