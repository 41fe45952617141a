import { Command, InvalidArgumentError, Option } from 'commander';
import { EXIT_MEANINGS, type ExitCode } from '../base/errors.ts';
import { packageVersion } from '../base/io/package.ts';
import type { Terminal } from '../base/io/terminal.ts';
import { parsePercent, parseSize } from '../base/units.ts';
import { FORMATS } from '../render/formats.ts';
import { PRELOAD_CHOICES, RUNTIMES } from '../runtime/contract.ts';
import { presetNames } from '../tune/presets.ts';
import { addBenchCommand } from './bench-command.ts';
import { addDoctorCommand } from './doctor-command.ts';
import { printEcosystem } from './ecosystem.ts';
import { addMeasureCommand } from './measure-command.ts';
import { parsePort, wholeNumber } from './numbers.ts';
import type { EcosystemOptions } from './plan-options.ts';
import { addSetupCommands } from './setup-commands.ts';
import { addUpgradeCommand } from './upgrade.ts';
import { addWatchCommands } from './watch-commands.ts';

/** More workers than this are a slip of the finger. */
const MOST_WORKERS = 1024;

/** As many as Linux can have (NR_CPUS). */
const MOST_CPUS = 8192;

const HELP = `
Examples:
  $ webui-tune > ecosystem.config.js && pm2 start ecosystem.config.js
  $ webui-tune --workers 4 --memory 4GiB --out ecosystem.config.js
  $ webui-tune --python ~/openwebui/bin/python --port 3000 > ecosystem.config.js
  $ webui-tune --json | jq .workers
  $ webui-tune --explain memory.budget
  $ webui-tune --cpus 16 --memory 64GiB > ecosystem.config.js
  $ webui-tune --preset small --env-file /etc/open-webui.env > ecosystem.config.js
  $ webui-tune --format helm --replicas 6 --storage-class nfs --host chat.example.com > values.yaml
  $ webui-tune --format compose > compose.yaml
  $ webui-tune --format systemd --out /etc/systemd/system

Settings of Open WebUI (DATABASE_URL, REDIS_URL, …) are taken from the environment and from open-webui.env beside the
file or in this folder. More than one worker needs PostgreSQL, Redis and a vector store that processes can share.

Exit codes:
${EXIT_MEANINGS.map(([code, meaning]) => `  ${code}  ${meaning}`).join('\n')}
`;

/**
 * The command line. Without a sub-command it prints the ecosystem file; `done` gets the exit code of the command that
 * ran. Options before a sub-command are ours, those after it are its own.
 */
export function makeProgram(terminal: Terminal, done: (code: ExitCode) => void): Command {
  const program = new Command('webui-tune');
  program
    .description('Prints a PM2 ecosystem file for Open WebUI, sized to this machine.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .addHelpText('after', HELP)
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.err })
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .exitOverride();
  addPlanOptions(program)
    .option('--out <file>', 'write to this file instead of stdout')
    .option('--force', 'overwrite a file that webui-tune did not write')
    .addOption(
      new Option(
        '--format <format>',
        'cjs where a package.json says "type": "module"; helm for Kubernetes, compose for containers, systemd (default: by --out, or js)',
      ).choices(FORMATS),
    )
    .option(
      '--replicas <n>',
      'with --format helm: number of pods (default: the workers planned here)',
      parseReplicas,
    )
    .option('--storage-class <name>', 'with --format helm: storage class that several nodes can mount')
    .addOption(
      new Option('--json', 'print the whole plan as JSON (zod schema: PlanSchema), write nothing').conflicts([
        'out',
        'format',
        'explain',
      ]),
    )
    .addOption(
      new Option('--explain <key>', 'print one number or setting with its reason, write nothing').conflicts([
        'out',
        'format',
      ]),
    )
    .addOption(
      new Option('--for-pm2', 'print the apps to the configuration file that PM2 is loading')
        .conflicts(['out', 'format', 'json', 'explain', 'root'])
        .hideHelp(),
    )
    .action(async (options: EcosystemOptions) => done(await printEcosystem(options, terminal)));
  const context = { program, addPlanOptions, terminal, done };
  addSetupCommands(context);
  addDoctorCommand(context);
  addMeasureCommand(context);
  addUpgradeCommand(context);
  addWatchCommands(context);
  addBenchCommand(context);
  return program;
}

/** The options of every command that makes a plan. */
export function addPlanOptions(command: Command): Command {
  return command
    .option('--workers <n|auto>', 'number of workers (auto: one for each physical core)', parseWorkers)
    .option('--memory <size|percent>', 'memory that all of it may use: 4GiB, 50%', parseMemory)
    .option('--cpus <n>', 'plan for so many cores; with --memory: for another machine', parseCpus)
    .option('--root <dir>', 'plan for the machine whose proc/ and sys/ are in this folder, write nothing')
    .option('--host <address>', 'address to listen on (default: 127.0.0.1, this machine only)', parseHost)
    .option('--port <port>', 'port to listen on (default: 8080)', parsePort)
    .option('--python <path>', 'interpreter or virtual environment of Open WebUI')
    .option('--env-file <file>', 'settings of Open WebUI (default: open-webui.env)')
    .option('--preset <name|file>', `${presetNames().join(', ')}, or a YAML file (default: default)`)
    .addOption(
      new Option(
        '--runtime <how>',
        'preload: workers forked from one process; uvicorn: Open WebUI’s own (default: preload on Linux)',
      ).choices(RUNTIMES),
    )
    .addOption(
      new Option('--preload <what>', 'what the workers share; auto: all that is safe').choices(
        PRELOAD_CHOICES,
      ),
    )
    .option('--no-static-cache', 'leave the page’s hashed files to the app, which compresses them each time')
    .option(
      '--no-shortcuts',
      'ping and open a transaction for each query, and try every route for each request',
    )
    .option('--metrics <port|off>', 'serve metrics for Prometheus on this port of 127.0.0.1', parseMetrics);
}

function parseMetrics(text: string): number | 'off' {
  return text === 'off' ? text : wholeNumber(text, 65_535, 'off or a port from 1 to 65535');
}

function parseWorkers(text: string): number | 'auto' {
  if (text === 'auto') return text;
  return wholeNumber(text, MOST_WORKERS, `auto or a number from 1 to ${MOST_WORKERS}`);
}

function parseReplicas(text: string): number {
  return wholeNumber(text, MOST_WORKERS, `a number from 1 to ${MOST_WORKERS}`);
}

function parseCpus(text: string): number {
  const value = Number(text);
  if (/^\d+(?:\.\d+)?$/.test(text) && value > 0 && value <= MOST_CPUS) return value;
  throw new InvalidArgumentError(`Expected a number of cores such as 4 or 1.5, at most ${MOST_CPUS}.`);
}

function parseMemory(text: string): string {
  if (parsePercent(text) !== undefined || (parseSize(text) ?? 0) > 0) return text;
  throw new InvalidArgumentError('Expected a size such as 4GiB, or a percentage such as 50%.');
}

function parseHost(text: string): string {
  if (/^[\w.:%[\]-]+$/.test(text)) return text;
  throw new InvalidArgumentError('Expected an address or a host name.');
}
