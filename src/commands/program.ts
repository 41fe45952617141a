import { Command, InvalidArgumentError, Option } from 'commander';
import { EXIT_MEANINGS, type ExitCode } from '../base/errors.ts';
import { packageVersion } from '../base/io/package.ts';
import type { Terminal } from '../base/io/terminal.ts';
import { MOST_WORKERS } from '../plan/options.ts';
import { GRACE_BOUNDS, GRACE_SECONDS, MOST_WORKERS_PER_POD } from '../plan/pods.ts';
import { FORMATS } from '../render/formats.ts';
import { addBenchCommand } from './bench-command.ts';
import { addDoctorCommand } from './doctor-command.ts';
import { printEcosystem } from './ecosystem.ts';
import { addMeasureCommand } from './measure-command.ts';
import { addMigrateCommand } from './migrate-command.ts';
import { wholeNumber } from './numbers.ts';
import { addPlanOptions } from './option-flags.ts';
import type { EcosystemOptions } from './plan-options.ts';
import { addSetupCommands } from './setup-commands.ts';
import { addUpgradeCommand } from './upgrade.ts';
import { addWatchCommands } from './watch-commands.ts';

const HELP = `
Examples:
  $ webui-tune > ecosystem.config.js && pm2 start ecosystem.config.js
  $ webui-tune --workers 4 --memory 4GiB --out ecosystem.config.js
  $ webui-tune --python ~/openwebui/bin/python --port 3000 > ecosystem.config.js
  $ webui-tune --json | jq .workers
  $ webui-tune --explain memory.budget
  $ webui-tune --cpus 16 --memory 64GiB > ecosystem.config.js
  $ webui-tune --preset small --env-file /etc/open-webui.env > ecosystem.config.js
  $ webui-tune --format helm --cpus 4 --memory 4GiB --storage-class nfs --host chat.example.com > values.yaml
  $ webui-tune --format compose > compose.yaml
  $ webui-tune --format systemd --out /etc/systemd/system

webui-tune takes settings of Open WebUI (DATABASE_URL, REDIS_URL, …) from the environment and from open-webui.env, beside
the ecosystem file or in the current folder. More than one worker needs PostgreSQL, Redis and a vector store that several
processes can use.

Exit codes:
${EXIT_MEANINGS.map(([code, meaning]) => `  ${code}  ${meaning}`).join('\n')}
`;

/**
 * The command line. Without a sub-command it prints the ecosystem file. `done` gets the exit code of the command that ran.
 * Options before a sub-command belong to the program, those after it to the sub-command.
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
        'output format; cjs is for folders whose package.json says "type": "module" (default: from the name of --out, otherwise js)',
      ).choices(FORMATS),
    )
    .option(
      '--replicas <n>',
      'with --format helm: number of pods (default: as many as hold the planned workers, at least two)',
      parseReplicas,
    )
    .option(
      '--workers-per-pod <n>',
      'with --format helm: workers that share a pod’s memory (default: the planned workers, at most four)',
      parseWorkersPerPod,
    )
    .option('--storage-class <name>', 'with --format helm: storage class that several nodes can mount')
    .option(
      '--tools-image <image>',
      'with --format helm: your own image that brings Node, PM2 and the runtime (default: from npm’s registry)',
    )
    .option(
      '--grace-seconds <n>',
      `with --format helm: seconds that Kubernetes gives a pod to end (default: ${GRACE_SECONDS}, as the chart does)`,
      parseGraceSeconds,
    )
    .addOption(
      new Option('--json', 'print the whole plan as JSON (zod schema: PlanSchema); write nothing').conflicts([
        'out',
        'format',
        'explain',
      ]),
    )
    .addOption(
      new Option('--explain <key>', 'print one number or setting with its reason; write nothing').conflicts([
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
  const context = { program, terminal, done };
  addSetupCommands(context);
  addDoctorCommand(context);
  addMeasureCommand(context);
  addUpgradeCommand(context);
  addMigrateCommand(context);
  addWatchCommands(context);
  addBenchCommand(context);
  return program;
}

function parseWorkersPerPod(text: string): number {
  return wholeNumber(text, MOST_WORKERS_PER_POD, `a number from 1 to ${MOST_WORKERS_PER_POD}`);
}

function parseGraceSeconds(text: string): number {
  const { least, most } = GRACE_BOUNDS;
  const expected = `a number of seconds from ${least} to ${most}`;
  const seconds = wholeNumber(text, most, expected);
  if (seconds < least) throw new InvalidArgumentError(`Expected ${expected}.`);
  return seconds;
}

function parseReplicas(text: string): number {
  return wholeNumber(text, MOST_WORKERS, `a number from 1 to ${MOST_WORKERS}`);
}
