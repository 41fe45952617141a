import { InvalidArgumentError } from 'commander';
import { EXIT } from '../base/errors.ts';
import { METRICS_PORT } from '../runtime/contract.ts';
import type { CommandContext } from './context.ts';
import type { MetricsOptions } from './metrics.ts';
import { parsePort } from './numbers.ts';
import type { TopOptions } from './top.ts';

/** Seconds between two looks. */
const USUAL_INTERVAL = 2;
const LEAST_INTERVAL = 0.5;
const MOST_INTERVAL = 3600;

const FILE = 'ecosystem file of the cluster (default: the cluster that runs)';

const TOP_HELP = `
Examples:
  $ webui-tune top
  $ webui-tune top --interval 1
  $ webui-tune top --once
  $ webui-tune top --json | jq '.workers[].process.memory.privateBytes'

q or Ctrl-C ends it. M is MiB, G is GiB. Private memory is what would be free without the worker, and what the limit is
for; PSS divides shared pages among those that share them. In a pipe it prints one table, as --once does.

Exit codes:
  ${EXIT.ok}  it was shown
  ${EXIT.usage}  the command line is wrong, or several clusters run here
  ${EXIT.service}  no cluster runs
`;

const METRICS_HELP = `
Examples:
  $ webui-tune metrics
  $ webui-tune metrics --port 9900
  $ curl -s http://127.0.0.1:${METRICS_PORT}/metrics

Runs until it is ended, for Prometheus on this machine. As an app of PM2 beside the workers:
  $ webui-tune --metrics ${METRICS_PORT} > ecosystem.config.js
`;

/** Their code is loaded when one of them runs: the others start in the time that they always did. */
export function addWatchCommands({ program, terminal, done }: CommandContext): void {
  program
    .command('top')
    .argument('[file]', FILE)
    .description('show live what each worker uses and does, and why workers were replaced')
    .option('--interval <seconds>', 'seconds between two looks', parseInterval, USUAL_INTERVAL)
    .option('--once', 'print one table, taken over one interval')
    .option('--json', 'print one look as JSON (zod schema: TopSchema)')
    .addHelpText('after', TOP_HELP)
    .action(async (file: string | undefined, options: Omit<TopOptions, 'file'>) => {
      const { showTop } = await import('./top.ts');
      done(await showTop({ ...options, ...(file !== undefined && { file }) }, terminal));
    });
  program
    .command('metrics')
    .argument('[file]', FILE)
    .description('serve the same as metrics for Prometheus, on 127.0.0.1')
    .option('--port <port>', 'port to listen on', parsePort, METRICS_PORT)
    .addHelpText('after', METRICS_HELP)
    .action(async (file: string | undefined, options: Omit<MetricsOptions, 'file'>) => {
      const { serveMetrics } = await import('./metrics.ts');
      done(await serveMetrics({ ...options, ...(file !== undefined && { file }) }, terminal));
    });
}

function parseInterval(text: string): number {
  const value = Number(text);
  if (/^\d+(?:\.\d+)?$/.test(text) && value >= LEAST_INTERVAL && value <= MOST_INTERVAL) return value;
  throw new InvalidArgumentError(`Expected seconds from ${LEAST_INTERVAL} to ${MOST_INTERVAL}.`);
}
