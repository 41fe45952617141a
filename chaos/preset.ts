/** The preset of the cluster that the events share: limits that are reached while one watches. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Scope } from '../test/kit/scope.ts';
import { temporaryFolder } from '../test/kit/temp.ts';
import type { Form } from './event.ts';

/** Seconds; in the long form the default. */
export const HANG_SECONDS: Record<Form, number> = { long: 30, short: 10 };

/** MiB: above what a worker needs for the load, below the leak that is made. */
export const MEMORY_LIMIT = 250;

export async function chaosPreset(scope: Scope, form: Form): Promise<string> {
  const file = join(await temporaryFolder(scope, 'preset'), 'chaos.yaml');
  const hang = `hangSeconds: ${HANG_SECONDS[form]}\n`;
  await writeFile(file, `extends: default\n${hang}memory: { workerLimit: ${MEMORY_LIMIT}MiB }\n`);
  return file;
}
