import { dirname, resolve } from 'node:path';
import { EXIT, type ExitCode } from '../errors.ts';
import { isModuleFolder } from '../io/module-type.ts';
import { checkOutput, writeOutput } from '../io/output.ts';
import type { Terminal } from '../io/terminal.ts';
import { quoteForShell } from '../openwebui/versions.ts';
import { faultsOf } from '../pm2/schema.ts';
import { appsOf } from '../render/apps.ts';
import { renderEcosystem } from '../render/ecosystem.ts';
import { reportOf } from '../render/report.ts';
import { keepSecrets, makePrivate } from '../settings/secrets-file.ts';
import { type TuneOptions, tune } from '../tune.ts';
import { printReport } from './report.ts';

export interface EcosystemOptions extends TuneOptions {
  force?: boolean;
}

/** Where `webui-tune > ecosystem.config.js` goes; we cannot see the name. */
const USUAL_NAME = 'ecosystem.config.js';

/**
 * The default command: prints the ecosystem file, or writes it to `--out`; the reasons go to stderr. Nothing is written
 * anywhere before the file is known to be right. Throws TuneError.
 */
export async function printEcosystem(options: EcosystemOptions, terminal: Terminal): Promise<ExitCode> {
  const out = options.out === undefined ? undefined : resolve(options.out);
  if (out !== undefined) checkOutput(out, options.force ?? false);

  const { plan, secrets, notes } = await tune(options);
  const faults = faultsOf(appsOf(plan));
  if (faults.length > 0) throw new Error(`PM2 would not take this file:\n${faults.join('\n')}`);
  const text = renderEcosystem(plan);

  const { secretsFile } = plan.places;
  await keepSecrets(secretsFile, secrets);
  if (makePrivate(secretsFile)) notes.push(`others could read ${secretsFile}: not any more`);

  if (out !== undefined) writeOutput(out, text);
  else terminal.out(text);
  notes.push(...nextSteps(out));
  printReport(reportOf(plan, notes), terminal);
  return EXIT.ok;
}

function nextSteps(out: string | undefined): string[] {
  const name = out ?? resolve(USUAL_NAME);
  const steps = out === undefined ? [] : [`written: ${out}`];
  if (!name.endsWith('.js') || !isModuleFolder(dirname(name))) {
    return [...steps, `start it: pm2 start ${out === undefined ? USUAL_NAME : quoteForShell(out)}`];
  }
  // Node takes it for an ES module there, and PM2 fails with "module is not defined".
  return [
    ...steps,
    `a package.json in or above ${dirname(name)} says "type": "module": name the file …config.cjs`,
  ];
}
