import { dirname, resolve } from 'node:path';
import { EXIT, type ExitCode, TuneError } from '../base/errors.ts';
import { isModuleFolder } from '../base/io/module-type.ts';
import { quoteForShell } from '../base/io/shell.ts';
import type { Terminal } from '../base/io/terminal.ts';
import { plural } from '../base/units.ts';
import type { Plan } from '../plan/types.ts';
import { explanationOf, similarKeys } from '../render/explain.ts';
import {
  type Format,
  formatOf,
  isConfigName,
  isForPm2,
  type Pm2Format,
  renderAs,
  USUAL_NAMES,
} from '../render/formats.ts';
import { reportOf } from '../render/report.ts';
import { requireValidApps } from '../setup/pm2/require-valid.ts';
import { checkOutput, writeOutput } from '../tune/output.ts';
import { prepare, tune } from '../tune/tune.ts';
import { printDeployment } from './deployment.ts';
import { type EcosystemOptions, requireNoHelmOptions } from './plan-options.ts';
import { printReport } from './report.ts';
import { printUnits } from './units.ts';

/**
 * The default command: prints the ecosystem file, or writes it to `--out`; the reasons go to stderr. Writes nothing before
 * the file is known to be right, and nothing at all with --json, --explain and --root. Throws TuneError.
 */
export async function printEcosystem(options: EcosystemOptions, terminal: Terminal): Promise<ExitCode> {
  const out = options.out === undefined ? undefined : resolve(options.out);
  const format = options.forPm2 ? 'json' : chooseFormat(options.format, out);
  if (format === 'systemd') return printUnits(options, terminal);
  if (!isForPm2(format)) return printDeployment(format, options, terminal);
  requireNoHelmOptions(options);
  if (out !== undefined && options.root !== undefined) {
    throw new TuneError('--root plans for another machine, and writes nothing here', EXIT.usage, [
      'omit --out: the file is printed',
    ]);
  }
  if (out !== undefined) checkOutput(out, options.force ?? false);

  const tuned = await tune(options);
  const { plan, notes } = tuned;
  if (options.json) return printPlan(plan, terminal);
  if (options.explain !== undefined) return printExplanation(plan, options.explain, terminal);
  await requireValidApps(plan);
  const text = renderAs(format, plan);

  if (options.root === undefined) notes.push(...(await prepare(tuned)));
  if (out !== undefined) writeOutput(out, text);
  else terminal.out(text);
  if (options.root === undefined && !options.forPm2) {
    notes.push(...nextSteps(out, format), ...pastThisMachine(plan));
  }
  printReport(reportOf(plan, notes), terminal);
  return EXIT.ok;
}

/** The format by the flag, else by the name of the file. Throws TuneError if the two disagree. */
function chooseFormat(flag: Format | undefined, out: string | undefined): Format {
  const named = out === undefined ? undefined : formatOf(out);
  if (flag !== undefined && named !== undefined && flag !== named) {
    throw new TuneError(`--format ${flag} does not go with --out …${out?.slice(-24)}`, EXIT.usage, [
      `name the file like ${USUAL_NAMES[flag]}`,
    ]);
  }
  return flag ?? named ?? 'js';
}

/** Every key of the JSON is described by PlanSchema (schema.ts). */
function printPlan(plan: Plan, { out }: Terminal): ExitCode {
  out(`${JSON.stringify(plan, undefined, 2)}\n`);
  return EXIT.ok;
}

function printExplanation(plan: Plan, key: string, { out }: Terminal): ExitCode {
  const explanation = explanationOf(plan, key);
  if (!explanation) {
    throw new TuneError(`--explain ${JSON.stringify(key)}: the plan has no such key`, EXIT.usage, [
      `it has, among others: ${similarKeys(plan, key).join(', ')}`,
    ]);
  }
  const { key: name, value, reason, source } = explanation;
  out(`${name} = ${value}\n  ${reason}\n  source: ${source}\n`);
  return EXIT.ok;
}

function nextSteps(out: string | undefined, format: Pm2Format): string[] {
  const name = out ?? resolve(USUAL_NAMES[format]);
  const steps = out === undefined ? [] : [`written: ${out}`];
  if (format === 'js' && isModuleFolder(dirname(name))) {
    // Node loads the file as an ES module there, and PM2 fails with "module is not defined".
    return [
      ...steps,
      `a package.json in or above ${dirname(name)} says "type": "module", and PM2 cannot load a .js file from there: ` +
        'name the file ….config.cjs (--format cjs)',
    ];
  }
  if (!isConfigName(name)) {
    return [
      ...steps,
      `PM2 would run a file of this name as a program: name it like ${USUAL_NAMES[format]} before pm2 start`,
    ];
  }
  return [...steps, `start it: pm2 start ${out === undefined ? USUAL_NAMES[format] : quoteForShell(out)}`];
}

/** If the machine limits the number of workers: what to do when it is too small. */
export function pastThisMachine({ limitedBy, workers }: Pick<Plan, 'limitedBy' | 'workers'>): string[] {
  if (limitedBy !== 'cores' && limitedBy !== 'memory') return [];
  return [
    `this machine’s ${limitedBy} limit it to ${plural(workers, 'worker')}; beyond one machine: webui-tune --format helm ` +
      '--replicas N --storage-class C --host H',
  ];
}
