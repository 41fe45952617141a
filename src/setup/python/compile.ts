import type { Environment } from '../../base/io/environment.ts';
import { shippedFile } from '../../base/io/package.ts';
import { runProgram } from '../../base/io/run.ts';

/** pip with this option compiles nothing: it would do so on one core, which is half of its time for Open WebUI. */
export const LEAVE_UNCOMPILED = '--no-compile';

/** Everybody may read what is compiled, as with pip. */
const UMASK = 0o022;

/**
 * Compiles the packages of an environment on all cores. Returns the milliseconds that it took. Compiling changes how long
 * an import takes, not what it does, so nothing is thrown.
 */
export async function compilePackages(python: string, env: Environment): Promise<number> {
  const started = performance.now();
  const script = shippedFile('compile_packages.py', 'setup/python/compile_packages.py');
  await runProgram(python, [script], { env, umask: UMASK });
  return performance.now() - started;
}
