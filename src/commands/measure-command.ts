import type { CommandContext } from './context.ts';
import type { MeasureOptions } from './measure.ts';
import { addPlanOptions } from './option-flags.ts';

const HELP = `
Examples:
  $ webui-tune measure
  $ webui-tune measure --preset throughput --env-file /etc/open-webui.env
  $ webui-tune measure --json | jq .worker
  $ webui-tune measure --dry-run

Starts Open WebUI with your settings, on its own temporary servers and data; it does not touch yours. Takes one to three
minutes. Run it while the machine is idle. The next plan with the same version, preset and settings uses these figures
instead of the built-in ones, and says so.
`;

/** Its code is loaded only when it runs, so that other commands start as fast as without it. */
export function addMeasureCommand({ program, terminal, done }: CommandContext): void {
  addPlanOptions(
    program
      .command('measure')
      .description('measure what Open WebUI costs on this machine; the next plan uses the figures')
      .helpOption('-h, --help', 'print this help'),
  )
    .option('--json', 'print the figures as JSON (zod schema: MeasurementSchema)')
    .option('--dry-run', 'list every step and do none')
    .addHelpText('after', HELP)
    .action(async (options: MeasureOptions) => {
      const { measureHere } = await import('./measure.ts');
      done(await measureHere(options, terminal));
    });
}
