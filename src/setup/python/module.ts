/**
 * What Python runs to run a module as a program that the kernel ends with us: of what we leave behind half done, there must
 * never be a second one at work beside the first.
 */
export function moduleEndingWithUs(name: string): string {
  return `
import ctypes, runpy, signal, sys
try:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
except (AttributeError, OSError):
    pass  # macOS
sys.argv[0] = "${name}"
runpy.run_module("${name}", run_name="__main__", alter_sys=True)
`;
}
