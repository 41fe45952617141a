import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/** Name of the file in the run folder in which the preload process says which local models it has. */
const MODELS_FILE = 'models.json';

/** What the preload process writes there. */
export const ModelsState = z.object({
  endpoint: z.string().describe('address of Hugging Face, or of its mirror'),
  offline: z.boolean().describe('whether workers were started without asking Hugging Face'),
  models: z.array(
    z.object({
      kind: z.enum(['embedding', 'reranker']),
      name: z.string(),
      here: z.boolean(),
      reason: z.string().describe('why it is not here; empty where it is'),
    }),
  ),
  checkedAt: z.string().describe('ISO 8601'),
  nextAttemptAt: z.string().nullable().describe('ISO 8601; null: none is planned'),
});

export type ModelsState = z.infer<typeof ModelsState>;
export type LocalModel = ModelsState['models'][number];

/** Undefined where an older runtime has written none, or the preload process has not come so far yet. */
export function readModelsState(runFolder: string): ModelsState | undefined {
  try {
    return ModelsState.parse(JSON.parse(readFileSync(join(runFolder, MODELS_FILE), 'utf8')));
  } catch {
    return undefined;
  }
}
