/** The preset of the cluster that the events share, with limits that are reached soon. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Scope } from '../src/base/io/scope.ts';
import { temporaryFolder } from '../src/base/io/temp.ts';
import type { Form } from './event.ts';

/** Seconds of the short form; the long form uses the default. */
export const HANG_SECONDS: Record<Form, number> = { long: 30, short: 10 };

/** MiB: more than a worker needs for the load, less than the leak of the event. */
export const MEMORY_LIMIT = 250;

export async function chaosPreset(scope: Scope, form: Form): Promise<string> {
  const file = join(await temporaryFolder(scope, 'preset'), 'chaos.yaml');
  const hang = `hangSeconds: ${HANG_SECONDS[form]}\n`;
  await writeFile(file, `extends: default\n${hang}memory: { workerLimit: ${MEMORY_LIMIT}MiB }\n`);
  return file;
}
