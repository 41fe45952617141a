/** pip with this option compiles nothing: it would do so on one core, which is half of its time for Open WebUI. */
import type { Environment } from '../../base/io/environment.ts';
import { runProgram } from '../../base/io/run.ts';

export const LEAVE_UNCOMPILED = '--no-compile';

/** Everybody may read what is compiled, as with pip. */
const UMASK = 0o022;

const SCRIPT = `
import compileall, sysconfig
for folder in sorted({sysconfig.get_path(name) for name in ("purelib", "platlib")}):
    compileall.compile_dir(folder, quiet=2, workers=0)
`;

/**
 * Compiles all packages of an environment on all cores. Returns the milliseconds that it took. A file that is not valid
 * Python is left out, as pip does: some packages carry such files for tests. Compiling changes how long an import takes,
 * not what it does, so nothing is thrown.
 */
export async function compilePackages(python: string, env: Environment): Promise<number> {
  const started = performance.now();
  await runProgram(python, ['-c', SCRIPT], { env, umask: UMASK });
  return performance.now() - started;
}
