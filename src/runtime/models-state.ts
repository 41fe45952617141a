/** Reads what the preload process last wrote down: which of the models that start-up loads are on this machine. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { MODEL_MEND, type ModelsState, RUN_FOLDER, WITHOUT_MODEL } from './contract.ts';

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

/** Content of the file in the run folder; undefined where there is none, or it cannot be read. */
export function readModelsState(runFolder: string): ModelsState | undefined {
  try {
    const parsed = Schema.safeParse(JSON.parse(readFileSync(join(runFolder, RUN_FOLDER.models), 'utf8')));
    return parsed.data;
  } catch {
    return undefined;
  }
}

/** A line for each missing model: what does not work, why, and what to do. The log has the same line (models/state.py). */
export function missingModels({ models }: ModelsState): string[] {
  return models
    .filter(({ here }) => !here)
    .map(
      ({ kind, name, reason }) =>
        `the ${kind} model ${name} is not on this machine: ${WITHOUT_MODEL[kind]}; ${reason}. ${MODEL_MEND}`,
    );
}
