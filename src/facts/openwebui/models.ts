import { z } from 'zod';
import { EXIT, TuneError } from '../../base/errors.ts';
import type { Environment } from '../../base/io/environment.ts';
import { shippedFile } from '../../base/io/package.ts';
import { lastLine, runProgram } from '../../base/io/run.ts';

/** Milliseconds until an interpreter that does not answer is given up; a busy machine takes seconds to load its packages. */
const LOOK_TIMEOUT = 30_000;
/** Milliseconds for all that is asked of Hugging Face. */
const HUB_TIMEOUT = 5_000;

const Looked = z.object({
  models: z.array(z.object({ name: z.string(), here: z.boolean(), reason: z.string() })),
  /** Packages that run local models, and that are not installed. */
  absent: z.array(z.string()),
  /** Folder in which Open WebUI looks for models, absolute. */
  cache: z.string(),
});

const HubAnswer = z.object({
  name: z.string(),
  /** Why it cannot be had from there; empty: it can. */
  reason: z.string(),
  ms: z.number(),
});

export type HubAnswer = z.infer<typeof HubAnswer>;

export interface FoundModels extends z.infer<typeof Looked> {
  /** Of Hugging Face, about each model that is missing; empty: it was not asked. */
  answers: readonly HubAnswer[];
}

export interface ModelsQuestion {
  /** Models to look for. */
  look: readonly string[];
  /** Models that are known to be missing. */
  missing?: readonly string[];
  /** Whether Hugging Face is asked for what is missing. */
  ask?: boolean;
}

/**
 * Whether models are on this machine, by the preload process's own judgement (models/cache.py), and whether those that
 * are missing can be had from Hugging Face. `python` is the installation's interpreter, `env` what Open WebUI's
 * processes get. Throws TuneError where the interpreter does not answer.
 */
export async function findModels(
  python: string,
  { look, missing = [], ask = false }: ModelsQuestion,
  { env, cwd }: { env: Environment; cwd: string },
): Promise<FoundModels> {
  const lines: string[] = [];
  const limit = new AbortController();
  const end = () => limit.abort();
  let timer = setTimeout(end, LOOK_TIMEOUT);
  try {
    const { stderr } = await runProgram(python, [shippedFile('models.py', 'facts/openwebui/models.py')], {
      env: { ...env, HF_HUB_DISABLE_TELEMETRY: '1' },
      cwd,
      input: JSON.stringify({ look, missing, ask }),
      // Neither a name server nor a connection that hangs can hold us up.
      signal: limit.signal,
      onOutput: (line) => {
        lines.push(line);
        clearTimeout(timer);
        timer = setTimeout(end, HUB_TIMEOUT);
      },
    });
    const looked = Looked.safeParse(parse(lines[0]));
    if (!looked.success) throw new Error(lastLine(stderr) || 'it does not answer');
    const answers = z.array(HubAnswer).safeParse(parse(lines[1]));
    const late = [...missing, ...looked.data.models.filter(({ here }) => !here).map(({ name }) => name)];
    return { ...looked.data, answers: answers.success ? answers.data : late.map(unanswered) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TuneError(`${python} cannot look for models: ${reason}`, EXIT.openWebui);
  } finally {
    clearTimeout(timer);
  }
}

function unanswered(name: string): HubAnswer {
  return { name, reason: `no answer within ${HUB_TIMEOUT / 1000} s`, ms: HUB_TIMEOUT };
}

function parse(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}
