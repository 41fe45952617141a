import * as z from 'zod';
import { EXIT, TuneError } from '../../base/errors.ts';
import type { Environment } from '../../base/io/environment.ts';
import { shippedFile } from '../../base/io/package.ts';
import { lastLine, runProgram } from '../../base/io/run.ts';
import type { Surroundings } from './candidates.ts';
import { PERSISTED } from './config-keys.ts';

/** Milliseconds until an interpreter that does not answer is given up; the slowest that was seen took 900. */
const PROBE_TIMEOUT = 20_000;

const EnvFile = z.union([
  z.object({ values: z.record(z.string(), z.string()) }),
  z.object({ error: z.string(), line: z.number().optional() }),
]);

const Stored = z.record(z.string(), z.string()).nullable();

const DataFolder = z.object({
  stored: Stored.describe('settings in its webui.db'),
  used: z.boolean(),
  chroma_rows: z.number(),
  secrets: EnvFile.nullable(),
});

const Answer = z.object({
  python: z.string(),
  executable: z.string(),
  package: z
    .object({
      version: z.string(),
      folder: z.string(),
      requires_python: z.string().nullable(),
      python_supported: z.boolean(),
      drivers: z.record(z.string(), z.boolean()),
      torch: z.string().describe('version of torch with its build; none'),
    })
    .nullable(),
  variables: z.array(z.string()).default([]),
  env_file: EnvFile.optional(),
  package_data: z.string().optional(),
  data: z.record(z.string(), DataFolder).default({}),
  unmet: z.array(z.string()).default([]).describe('those of the requirements that are not installed'),
  stored: Stored.default(null).describe('settings in the SQLite database that DATABASE_URL names'),
});

/** What probe.py answers. */
export type Probe = z.infer<typeof Answer>;
export type ProbedEnvFile = z.infer<typeof EnvFile>;
export type ProbedData = z.infer<typeof DataFolder>;

export interface Question {
  /** Absolute path of the user's env file, if there is one. */
  envFile: string | undefined;
  /** Data folders to look into, beside the package's own and the one that the user has set. */
  dataDirs: string[];
  /** Name of our secrets file in a data folder. */
  secretsName: string;
  /** As pip takes them, to be looked for among what is installed. */
  requirements?: readonly string[];
}

/**
 * Asks `python`, an interpreter, what is installed for it. The answer depends on the environment (PYTHONPATH, DATA_DIR)
 * and, for relative paths, on the working directory. Throws TuneError if it cannot be run.
 */
export async function probe(
  python: string,
  question: Question,
  { env, cwd }: Pick<Surroundings, 'env' | 'cwd'>,
): Promise<Probe> {
  const script = shippedFile('probe.py', 'facts/openwebui/probe.py');
  const output = await run(python, [script], asInput(question), { env, cwd });
  const answer = Answer.safeParse(parseJson(output));
  if (answer.success) return answer.data;
  throw new TuneError(`${python} does not answer as a Python interpreter does`, EXIT.openWebui);
}

/** What probe.py reads from its standard input. */
export function asInput({ envFile, dataDirs, secretsName, requirements }: Question): string {
  return JSON.stringify({
    env_file: envFile ?? null,
    data_dirs: dataDirs,
    secrets_name: secretsName,
    config_keys: Object.values(PERSISTED),
    requirements: requirements ?? [],
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What it writes to stdout. */
async function run(
  command: string,
  args: string[],
  input: string,
  options: { env: Environment; cwd: string },
): Promise<string> {
  const fail = (reason: string) => new TuneError(`${command} cannot be run: ${reason}`, EXIT.openWebui);
  const { code, signal, stdout, stderr } = await runProgram(command, args, {
    ...options,
    input,
    timeout: PROBE_TIMEOUT,
  }).catch((error: Error) => {
    throw fail(error.message);
  });
  if (code === 0) return stdout;
  throw fail(lastLine(stderr) || (signal ? `ended by ${signal}` : `exit code ${code}`));
}
