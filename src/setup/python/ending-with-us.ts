/*
 * What Python runs so that the kernel ends it with us: of what we leave behind half done, there must never be a second one at
 * work beside the first.
 */

const END_WITH_US = `
import ctypes, os, runpy, signal, sys
try:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
except (AttributeError, OSError):
    pass  # macOS
`;

/** A module, as a program. */
export function moduleEndingWithUs(name: string): string {
  return `${END_WITH_US}
sys.argv[0] = "${name}"
runpy.run_module("${name}", run_name="__main__", alter_sys=True)
`;
}

/** The program that its arguments name: it takes Python's place. */
export const PROGRAM_ENDING_WITH_US = `${END_WITH_US}
os.execvp(sys.argv[1], sys.argv[1:])
`;
