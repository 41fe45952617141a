import { delimiter, dirname } from 'node:path';
import { z } from 'zod';
import { EXIT, type ExitCode, TuneError } from '../../base/errors.ts';
import type { Environment } from '../../base/io/environment.ts';
import { shippedFile } from '../../base/io/package.ts';
import { runProgram, tailOf } from '../../base/io/run.ts';
import { moduleEndingWithUs } from '../python/ending-with-us.ts';
import { Failure, Finding, Progress } from './messages.ts';

/* The Python half reads and writes the data; it runs with the interpreter that has Open WebUI. */

export interface PythonHalf {
  python: string;
  env: Environment;
  onProgress?: ((progress: Progress) => void) | undefined;
  onFinding?: ((finding: Finding) => void) | undefined;
}

const RUN = moduleEndingWithUs('webui_migrate');

/** Runs one of its commands. Secrets are in the request, which goes through stdin. Throws TuneError. */
export async function askPython<T>(
  command: string,
  request: object,
  answer: z.ZodType<T>,
  { python, env, onProgress, onFinding }: PythonHalf,
): Promise<T> {
  const folder = dirname(shippedFile('webui_migrate', 'setup/migrate/webui_migrate'));
  let result: unknown;
  let failure: z.infer<typeof Failure> | undefined;
  const read = (line: string) => {
    const message = parse(line);
    if (message?.type === 'progress') onProgress?.(Progress.parse(message));
    else if (message?.type === 'finding') onFinding?.(Finding.parse(message));
    else if (message?.type === 'result') result = message;
    else if (message?.type === 'error') failure = Failure.parse(message);
  };
  const { code, stderr } = await runProgram(python, ['-c', RUN, command], {
    env: {
      ...env,
      PYTHONPATH: [folder, env.PYTHONPATH].filter(Boolean).join(delimiter),
      PYTHONDONTWRITEBYTECODE: '1',
    },
    input: JSON.stringify(request),
    onOutput: read,
  });
  if (failure) throw new TuneError(failure.message, exitCodeOf(failure.code), failure.mends);
  if (code === 0 && result !== undefined) return answer.parse(result);
  throw new TuneError(`the migration’s ${command} failed:\n${tailOf(stderr)}`, EXIT.service);
}

const Message = z.looseObject({ type: z.string() });

/** Undefined for what some package prints on stdout too. */
function parse(line: string): z.infer<typeof Message> | undefined {
  try {
    return Message.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

const EXITS: Readonly<Record<string, ExitCode>> = {
  'source-newer': EXIT.openWebui,
  'source-version': EXIT.openWebui,
  'no-space': EXIT.output,
  'target-not-empty': EXIT.settings,
  'target-no-pgvector': EXIT.settings,
};

function exitCodeOf(code: string): ExitCode {
  return EXITS[code] ?? EXIT.service;
}
