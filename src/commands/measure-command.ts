import type { CommandContext } from './context.ts';
import type { MeasureOptions } from './measure.ts';

const HELP = `
Examples:
  $ webui-tune measure
  $ webui-tune measure --preset throughput --env-file /etc/open-webui.env
  $ webui-tune measure --json | jq .worker
  $ webui-tune measure --dry-run

Starts Open WebUI with your settings, but on servers and data of its own, which end with it: yours are not touched. Takes
one to three minutes; measure while little else runs. The next plan with the same version, preset and settings uses the
figures in place of the built-in ones, and says so.
`;

/** Its code is loaded when it runs: the others start in the time that they always did. */
export function addMeasureCommand({ program, addPlanOptions, terminal, done }: CommandContext): void {
  addPlanOptions(
    program
      .command('measure')
      .description('measure what Open WebUI costs on this machine; the next plan uses it')
      .helpOption('-h, --help', 'print this help'),
  )
    .option('--json', 'print the figures as JSON (zod schema: MeasurementSchema)')
    .option('--dry-run', 'list every step, do nothing')
    .addHelpText('after', HELP)
    .action(async (options: MeasureOptions) => {
      const { measureHere } = await import('./measure.ts');
      done(await measureHere(options, terminal));
    });
}
