import { InvalidArgumentError } from 'commander';
import { ASSUMPTIONS, type Assumptions, capacityFor } from '../capacity/index.ts';
import { EXIT, type ExitCode } from '../errors.ts';
import type { Terminal } from '../io/terminal.ts';
import { renderCapacity } from '../render/capacity.ts';
import { parsePercent } from '../units.ts';
import type { CommandContext } from './context.ts';

/** More users than there are people are a slip of the finger. */
const MOST_USERS = 10_000_000_000;

interface CapacityOptions {
  users: number;
  online: number;
  messages: number;
  json?: boolean;
}

/** `webui-tune capacity`: what so many users need, by what was measured. Reads nothing and writes nothing. */
export function addCapacity({ program, terminal, done }: CommandContext): void {
  program
    .command('capacity')
    .description('Say what so many users need of workers, PostgreSQL, Redis and the network.')
    .helpOption('-h, --help', 'print this help')
    .requiredOption('--users <n>', 'people who have an account', parseUsers)
    .option('--online <percent>', 'share of them online in the busiest hour', parseShare, ASSUMPTIONS.online)
    .option('--messages <n>', 'questions that each of those asks in it', parseMessages, ASSUMPTIONS.messages)
    .option('--json', 'print the figures as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ webui-tune capacity --users 1000\n  $ webui-tune capacity --users 100000 --online 25% --messages 20\n',
    )
    .action((options: CapacityOptions) => done(printCapacity(options, terminal)));
}

function printCapacity({ users, online, messages, json }: CapacityOptions, { out }: Terminal): ExitCode {
  const assumed: Assumptions = { ...ASSUMPTIONS, online, messages };
  const capacity = capacityFor(users, assumed);
  out(
    json ? `${JSON.stringify({ ...capacity, assumed }, undefined, 2)}\n` : renderCapacity(capacity, assumed),
  );
  return EXIT.ok;
}

function parseUsers(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= MOST_USERS) return value;
  throw new InvalidArgumentError(`Expected a number from 1 to ${MOST_USERS}.`);
}

function parseShare(text: string): number {
  const share = parsePercent(text);
  if (share !== undefined) return share;
  throw new InvalidArgumentError('Expected a percentage such as 10%.');
}

function parseMessages(text: string): number {
  const value = Number(text);
  if (/^\d+(?:\.\d+)?$/.test(text) && value > 0 && value <= 1000) return value;
  throw new InvalidArgumentError('Expected a number such as 10, at most 1000.');
}
