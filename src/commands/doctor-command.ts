import { EXIT } from '../base/errors.ts';
import type { CommandContext } from './context.ts';
import type { DoctorCommandOptions } from './doctor.ts';
import { wholeNumber } from './numbers.ts';
import { addPlanOptions } from './option-flags.ts';

/** The longest silence that a worker accepts, in seconds (preload/webui_preload/worker/echo.py, MOST_SILENCE). */
const MOST_SILENCE = 3_600;

const parseSeconds = (text: string) =>
  wholeNumber(text, MOST_SILENCE, `a number of seconds from 1 to ${MOST_SILENCE}`);

const HELP = `
Examples:
  $ webui-tune doctor
  $ webui-tune doctor --verbose
  $ webui-tune doctor --fix
  $ webui-tune doctor --silence 300
  $ webui-tune doctor --json | jq '.findings[] | select(.verdict == "error")'
  $ webui-tune doctor /srv/openwebui/ecosystem.config.js

Checks the ecosystem file, the settings, PostgreSQL, Redis and the vector store, the files, PM2, and the running cluster.
Without a file in the current folder it checks the installation of webui-tune up. --fix corrects file modes, removes
leftovers of earlier runs, corrects the settings of webui-tune's own Valkey, and runs pm2 save. It loses no data.

Exit codes:
  ${EXIT.ok}  all is well; there may be notes
  ${EXIT.usage}  the command line is wrong
  ${EXIT.doubtful}  there are warnings: it works now, but will not always
  ${EXIT.unhealthy}  there are errors: something does not work
`;

/** Its code is loaded only when it runs, so that other commands start as fast as without it. */
export function addDoctorCommand({ program, terminal, done }: CommandContext): void {
  addPlanOptions(
    program
      .command('doctor')
      .argument(
        '[file]',
        'ecosystem file (default: the one in the current folder, otherwise that of webui-tune up)',
      )
      .description(
        'check the installation and the running cluster: what is wrong, why it matters, how to fix it',
      ),
  )
    .option('--verbose', 'show reason, fix and source of every check')
    .option('--fix', 'fix what can be fixed without losing data')
    .option('--silence <seconds>', 'test whether the proxy waits this long for a silent answer', parseSeconds)
    .option('--json', 'print all findings as JSON (zod schema: DoctorSchema)')
    .addHelpText('after', HELP)
    .action(async (file: string | undefined, options: DoctorCommandOptions) => {
      const { runDoctor } = await import('./doctor.ts');
      done(await runDoctor({ ...options, ...(file !== undefined && { file }) }, terminal));
    });
}
