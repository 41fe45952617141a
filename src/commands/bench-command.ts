import { type Command, InvalidArgumentError, Option } from 'commander';
import type { BenchCommandOptions } from './bench.ts';
import type { CommandContext } from './context.ts';

/** More rounds or seconds than these are taken for a typing error. */
const MOST_ROUNDS = 100;
const MOST_SECONDS = 600;
const MOST_WORKERS = 64;

const HELP = `
Contenders (--only takes their ids, separated by commas):
  serve, uvicorn-workers, web-concurrency, gunicorn, gunicorn-preload, pm2-fork, ours-untuned, ours; and only for the
  memory of four workers: web-concurrency-4, ours-full-4, ours-4

Examples:
  $ webui-tune bench --html report.html
  $ webui-tune bench --only web-concurrency,ours --rounds 5
  $ webui-tune bench --sweep
  $ webui-tune bench --json > bench.json

Runs your Open WebUI in each of these ways, one after another, on temporary services and data: a PostgreSQL, a Redis, a
Chroma, a PM2 and a fake language model. It does not touch your installation, but the two share the machine: stop whatever
else runs. Ctrl-C ends it and leaves nothing behind. If gunicorn is not installed, it comes from PyPI.
`;

/** Adds the command; its code is loaded when it runs. */
export function addBenchCommand({ program, terminal, done }: CommandContext): void {
  const command: Command = program.command('bench');
  command
    .description(
      'compare the ways to run Open WebUI on this machine: speed, memory, recovery; takes some 20 minutes',
    )
    .option(
      '--workers <n>',
      'workers of each contender (default: one for each core, at least 2)',
      whole(MOST_WORKERS),
    )
    .option('--rounds <n>', 'times that each contender is started and measured', whole(MOST_ROUNDS), 2)
    .option('--seconds <n>', 'length of each slice of load', whole(MOST_SECONDS), 3)
    .addOption(
      new Option('--only <ids>', 'run only these contenders').argParser((text: string) => text.split(',')),
    )
    .addOption(
      new Option(
        '--sweep',
        'find out how many workers are worth having, from 1 to twice the cores',
      ).conflicts('only'),
    )
    .option('--python <path>', 'interpreter or virtual environment of Open WebUI')
    .option('--html <file>', 'write a report with charts: one file that needs no network')
    .option('--json', 'print all samples as JSON (zod schema: BenchSchema)')
    .option('--verbose', 'print minimum, median and maximum of every figure')
    .addHelpText('after', HELP)
    .action(async (options: BenchCommandOptions) => {
      const { bench } = await import('./bench.ts');
      done(await bench(options, terminal));
    });
}

function whole(most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= 1 && value <= most) return value;
    throw new InvalidArgumentError(`Expected a number from 1 to ${most}.`);
  };
}
