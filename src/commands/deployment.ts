import { resolve } from 'node:path';
import { EXIT, type ExitCode, TuneError } from '../base/errors.ts';
import { packageVersion } from '../base/io/package.ts';
import { quoteForShell } from '../base/io/shell.ts';
import type { Terminal } from '../base/io/terminal.ts';
import { planPods } from '../plan/pods.ts';
import { renderCompose } from '../render/compose/index.ts';
import { ownServices } from '../render/compose/services.ts';
import { type ContainerFormat, USUAL_NAMES } from '../render/formats.ts';
import { renderHelm } from '../render/helm/index.ts';
import { SECRET } from '../render/helm/values.ts';
import { type ReportLine, reportOf } from '../render/report.ts';
import { keepRuntime, stableRuntime } from '../runtime/folder.ts';
import { deploymentInput, planDeployment } from '../tune/containers.ts';
import { checkOutput, writeOutput } from '../tune/output.ts';
import { type EcosystemOptions, requireNoHelmOptions } from './plan-options.ts';
import { printReport } from './report.ts';

/** The rendered file, and the report on it. */
interface Deployment {
  text: string;
  lines: ReportLine[];
}

/**
 * Prints the file for a host other than PM2, or writes it to `--out`; the next steps go to stderr. Starts nothing; the
 * file holds no secret. Throws TuneError.
 */
export async function printDeployment(
  format: ContainerFormat,
  options: EcosystemOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  requireNoMetrics(options);
  const out = options.out === undefined ? undefined : resolve(options.out);
  if (out !== undefined) checkOutput(out, options.force ?? false);
  const { text, lines } = await RENDERERS[format](options, quoteForShell(out ?? USUAL_NAMES[format]));
  if (out === undefined) terminal.out(text);
  else writeOutput(out, text);
  printReport([...lines, ...(out === undefined ? [] : [note(`written: ${out}`)])], terminal);
  return EXIT.ok;
}

/** Throws TuneError for --metrics: nothing outside a container reaches its 127.0.0.1. */
function requireNoMetrics({ metrics }: EcosystemOptions): void {
  if (metrics === undefined || metrics === 'off') return;
  throw new TuneError('--metrics is for PM2 and systemd: it is served on 127.0.0.1', EXIT.usage, [
    'leave it out',
  ]);
}

const RENDERERS: Readonly<
  Record<ContainerFormat, (options: EcosystemOptions, file: string) => Promise<Deployment>>
> = {
  async helm({ host, ...options }, file) {
    const pods = planPods(await deploymentInput(options), options);
    const { text, summary, steps, secretKeys, warnings } = renderHelm(
      pods,
      { ...options, ...(host !== undefined && { host }), version: packageVersion() },
      file,
    );
    return {
      text,
      lines: [
        { kind: 'title', cells: [summary] },
        ...warnings.map((warning): ReportLine => ({ kind: 'warning', cells: [warning] })),
        note(`the Secret ${SECRET} needs the keys ${secretKeys.join(', ')}`),
        note(`one pod migrates: ${steps[0]}`),
        note(`then all of them:  ${steps[1]}`),
        note('rendered, schema-checked and played with podman, never applied to a cluster'),
      ],
    };
  },
  async compose(options, file) {
    requireNoHelmOptions(options);
    const runtime = options.root === undefined ? stableRuntime(options.env ?? process.env) : undefined;
    const plan = await planDeployment(options, {
      services: ownServices,
      ...(runtime && { runtime: runtime.path }),
    });
    const { text, summary, secretFiles, warnings } = renderCompose(plan);
    if (runtime) keepRuntime(runtime);
    return {
      text,
      lines: [
        ...reportOf(plan, []).filter(({ kind }) => kind !== 'blank'),
        { kind: 'title', cells: [summary] },
        ...warnings.map((warning): ReportLine => ({ kind: 'warning', cells: [warning] })),
        note(
          `secrets are files: ${secretFiles.map((name) => `secrets/${name}`).join(', ')}; the first lines of the file say how to make them`,
        ),
        note(`start it: docker compose -f ${file} up -d --wait`),
      ],
    };
  },
};

function note(text: string): ReportLine {
  return { kind: 'note', cells: [text] };
}
