import { InvalidArgumentError, Option } from 'commander';
import { EXIT } from '../base/errors.ts';
import { METRICS_PORT } from '../runtime/contract.ts';
import type { CommandContext } from './context.ts';
import { parsePort } from './numbers.ts';
import type { TopOptions } from './top.ts';

/** Seconds between two readings. */
const USUAL_INTERVAL = 2;
const LEAST_INTERVAL = 0.5;
const MOST_INTERVAL = 3600;

const FILE = 'ecosystem file of the cluster (default: the running cluster)';

const TOP_HELP = `
Examples:
  $ webui-tune top
  $ webui-tune top --interval 1
  $ webui-tune top --once
  $ webui-tune top --json | jq '.workers[].process.memory.privateBytes'

q or Ctrl-C ends it. M is MiB, G is GiB. Private memory is what the end of the worker would free; the worker limit applies
to it. PSS divides shared pages among the processes that share them. Without a terminal, top prints one table, like --once.

Exit codes:
  ${EXIT.ok}  the table was shown
  ${EXIT.usage}  the command line is wrong, or several clusters run here
  ${EXIT.service}  no cluster runs
`;

const METRICS_HELP = `
Examples:
  $ webui-tune metrics
  $ webui-tune metrics --port 9900
  $ curl -s http://127.0.0.1:${METRICS_PORT}/metrics
  $ webui-tune metrics --dashboard > open-webui-dashboard.json
  $ webui-tune metrics --alerts > /etc/prometheus/open-webui-alerts.yml

Runs until you end it. To run it as an app of PM2 beside the workers:
  $ webui-tune --metrics ${METRICS_PORT} > ecosystem.config.js
`;

interface MetricsFlags {
  port: number;
  dashboard?: true;
  alerts?: true;
}

/** Their code is loaded only when one of them runs, so that other commands start as fast as without them. */
export function addWatchCommands({ program, terminal, done }: CommandContext): void {
  program
    .command('top')
    .argument('[file]', FILE)
    .description('show live what each worker uses and does, and why workers were replaced')
    .option('--interval <seconds>', 'seconds between two readings', parseInterval, USUAL_INTERVAL)
    .option('--once', 'print one table, measured over one interval')
    .option('--json', 'print one reading as JSON (zod schema: TopSchema)')
    .addHelpText('after', TOP_HELP)
    .action(async (file: string | undefined, options: Omit<TopOptions, 'file'>) => {
      const { showTop } = await import('./top.ts');
      done(await showTop({ ...options, ...(file !== undefined && { file }) }, terminal));
    });
  program
    .command('metrics')
    .argument('[file]', FILE)
    .description('serve what top shows as metrics for Prometheus, on 127.0.0.1')
    .option('--port <port>', 'port to listen on', parsePort, METRICS_PORT)
    .option('--dashboard', 'serve nothing: print a Grafana dashboard for import')
    .addOption(
      new Option('--alerts', 'serve nothing: print alerting rules for Prometheus').conflicts('dashboard'),
    )
    .addHelpText('after', METRICS_HELP)
    .action(async (file: string | undefined, { port, dashboard, alerts }: MetricsFlags) => {
      const { printFor, serveMetrics } = await import('./metrics.ts');
      if (dashboard || alerts) return done(await printFor(dashboard ? 'dashboard' : 'alerts', terminal));
      done(await serveMetrics({ port, ...(file !== undefined && { file }) }, terminal));
    });
}

function parseInterval(text: string): number {
  const value = Number(text);
  if (/^\d+(?:\.\d+)?$/.test(text) && value >= LEAST_INTERVAL && value <= MOST_INTERVAL) return value;
  throw new InvalidArgumentError(`Expected seconds from ${LEAST_INTERVAL} to ${MOST_INTERVAL}.`);
}
