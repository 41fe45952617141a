import { z } from 'zod';
import type { Environment } from '../../base/io/environment.ts';
import { shippedFile } from '../../base/io/package.ts';
import { runProgram } from '../../base/io/run.ts';

/** Milliseconds for the sizes of all packages. */
const TIMEOUT = 60_000;

/** Bytes of all files that pip would download from there, as the index tells; undefined where it does not. */
export async function downloadSize(
  python: string,
  env: Environment,
  urls: readonly string[],
): Promise<number | undefined> {
  const script = shippedFile('pip_sizes.py', 'setup/python/pip_sizes.py');
  const options = { env, input: JSON.stringify(urls), timeout: TIMEOUT };
  try {
    const { code, stdout } = await runProgram(python, [script], options);
    return code === 0 ? z.number().parse(JSON.parse(stdout)) : undefined;
  } catch {
    return undefined;
  }
}
