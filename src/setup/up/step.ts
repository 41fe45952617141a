/** One thing that has to be so before Open WebUI serves. */
export interface Step {
  name: string;
  /** What there is, where it is right already; undefined: there is something to do. Changes nothing. */
  check(): Promise<string | undefined>;
  /** What run() will do, in words. */
  describe(): string;
  /**
   * Makes it so, and says what there is now, or what is lacking and does not keep the others from being done. What it
   * leaves behind when it throws is where it goes on next time.
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
 * What would be done. A step that cannot tell before an earlier one was run counts as to do; `check` throws TuneError
 * where something stands in the way that no step can mend.
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

/** Runs what is not right yet, in order, and tells after each. The first error ends it: nothing is undone. */
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
