import { type Command, InvalidArgumentError, Option } from 'commander';
import * as z from 'zod';
import { OPTION_NAMES, type OptionName, ROWS, readOption, SWITCHES } from '../plan/options.ts';
import { presetNames } from '../tune/presets.ts';

/** The options of every command that makes a plan. */
export function addPlanOptions(command: Command): Command {
  const presets = presetNames().join(', ');
  for (const name of OPTION_NAMES) command.addOption(makeOption(name, presets));
  // Commander sets a switch to true even if nobody has given it.
  for (const name of SWITCHES) command.setOptionValue(name, undefined);
  return command;
}

/** For `up`, which remembers options: for each `--no-…` a flag that undoes it. */
export function addTakeBackOptions(command: Command): Command {
  for (const name of SWITCHES) {
    const { flag } = ROWS[name];
    command.option(flag.replace('--no-', '--'), `undo an earlier ${flag}`);
  }
  return command;
}

function makeOption(name: OptionName, presets: string): Option {
  const { flag, help, schema, expected } = ROWS[name];
  const option = new Option(flag, help.replace('PRESETS', presets));
  if (schema instanceof z.ZodEnum) return option.choices(schema.options.map(String));
  if (expected === undefined) return option;
  return option.argParser((text) => {
    const value = readOption(name, text);
    if (value === undefined) throw new InvalidArgumentError(`Expected ${expected}.`);
    return value;
  });
}
