/** A mounted file system: proc_pid_mountinfo(5). */
export interface Mount {
  /** Folder of the file system that is mounted. */
  root: string;
  /** Where it is mounted. */
  mountPoint: string;
  type: string;
  /** Options of the file system itself; for cgroup v1 they name the controllers. */
  superOptions: string[];
}

/** Mounts of /proc/self/mountinfo; lines that are none are left out. */
export function parseMountInfo(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    // Between the fixed fields and the dash there are as many optional ones as the kernel likes.
    const [fixed, rest] = line.split(' - ', 2);
    const [, , , root, mountPoint] = fixed?.split(' ') ?? [];
    // Super options come last: WSL has spaces in them, and they do not matter here.
    const [type, , superOptions] = rest?.split(' ') ?? [];
    if (!root || !mountPoint || !type) continue;
    mounts.push({
      root: fromOctal(root),
      mountPoint: fromOctal(mountPoint),
      type,
      superOptions: superOptions?.split(',') ?? [],
    });
  }
  return mounts;
}

/** The kernel writes white space and backslashes of a path in octal. */
function fromOctal(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
