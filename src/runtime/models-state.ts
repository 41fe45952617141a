/** Which of the models that start-up loads are on this machine, as the preload process last wrote it down. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { MODEL_MEND, MODELS_STATE, type ModelsState, WITHOUT_MODEL } from './contract.ts';

const Schema: z.ZodType<ModelsState> = z.object({
  endpoint: z.string(),
  offline: z.boolean(),
  models: z.array(
    z.object({
      kind: z.enum(['embedding', 'reranker']),
      name: z.string(),
      here: z.boolean(),
      reason: z.string(),
    }),
  ),
  checkedAt: z.iso.datetime(),
  nextAttemptAt: z.iso.datetime().nullable(),
});

/** What the file in the run folder says; undefined where there is none that can be read. */
export function readModelsState(runFolder: string): ModelsState | undefined {
  try {
    const parsed = Schema.safeParse(JSON.parse(readFileSync(join(runFolder, MODELS_STATE), 'utf8')));
    return parsed.data;
  } catch {
    return undefined;
  }
}

/** What does not work for want of a model, why, and how to mend it: the line that the log has too (models/state.py). */
export function missingModels({ models }: ModelsState): string[] {
  return models
    .filter(({ here }) => !here)
    .map(
      ({ kind, name, reason }) =>
        `the ${kind} model ${name} is not on this machine: ${WITHOUT_MODEL[kind]}; ${reason}. ${MODEL_MEND}`,
    );
}
