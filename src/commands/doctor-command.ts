import { EXIT } from '../base/errors.ts';
import type { CommandContext } from './context.ts';
import type { DoctorCommandOptions } from './doctor.ts';
import { wholeNumber } from './numbers.ts';

/** What a worker takes (preload/webui_preload/worker/echo.py, MOST_SILENCE). */
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
export function addDoctorCommand({ program, addPlanOptions, terminal, done }: CommandContext): void {
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
    .option('--silence <seconds>', 'try whether the proxy waits so long for an answer', parseSeconds)
    .option('--json', 'print all findings as JSON (zod schema: DoctorSchema)')
    .addHelpText('after', HELP)
    .action(async (file: string | undefined, options: DoctorCommandOptions) => {
      const { runDoctor } = await import('./doctor.ts');
      done(await runDoctor({ ...options, ...(file !== undefined && { file }) }, terminal));
    });
}
