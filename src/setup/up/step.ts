/** One step towards an Open WebUI that serves. */
export interface Step {
  name: string;
  /** What there is, if it is right already; undefined: there is something to do. Changes nothing. */
  check(): Promise<string | undefined>;
  /** What run() will do, in words. */
  describe(): string;
  /**
   * Does it, and returns what there is now, or what is lacking, if the other steps can do without. If it throws, the
   * next run resumes where it stopped.
   */
  run(progress: (text: string) => void): Promise<string | Lacking>;
}

/** What does not work for now, and how to mend it, in one line. */
export interface Lacking {
  lacking: string;
}

export interface StepReport {
  name: string;
  state: 'right' | 'to do' | 'done' | 'lacking';
  text: string;
  /** Milliseconds of run(); undefined where nothing was run. */
  took?: number;
}

/**
 * What would be done. A step that depends on an earlier one counts as to do. `check` throws TuneError
 * for an obstacle that no step can remove.
 */
export async function previewSteps(steps: readonly Step[]): Promise<StepReport[]> {
  const reports: StepReport[] = [];
  for (const step of steps) {
    const right = await step.check();
    reports.push({
      name: step.name,
      state: right === undefined ? 'to do' : 'right',
      text: right ?? step.describe(),
    });
  }
  return reports;
}

/** Runs the steps that are not right yet, in order, and reports each. The first error ends it; nothing is undone. */
export async function runSteps(
  steps: readonly Step[],
  tell: (report: StepReport) => void,
  progress: (step: Step, text: string) => void,
): Promise<void> {
  for (const step of steps) {
    const right = await step.check();
    if (right !== undefined) {
      tell({ name: step.name, state: 'right', text: right });
      continue;
    }
    progress(step, step.describe());
    const started = performance.now();
    const result = await step.run((message) => progress(step, message));
    const took = performance.now() - started;
    if (typeof result === 'string') tell({ name: step.name, state: 'done', text: result, took });
    else tell({ name: step.name, state: 'lacking', text: result.lacking, took });
  }
}
