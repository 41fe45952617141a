/** Linux's CPU lists, such as `0-3,8` (cpuset(7), "List format"). */

/** CPU numbers in ascending order; undefined if `text` is not such a list. An empty list is a list. */
export function parseCpuList(text: string): number[] | undefined {
  const cpus = new Set<number>();
  for (const part of text.trim().split(',')) {
    if (part === '' && text.trim() === '') continue;
    const match = /^(\d+)(?:-(\d+))?$/.exec(part.trim());
    if (!match) return undefined;
    const first = Number(match[1]);
    const last = match[2] === undefined ? first : Number(match[2]);
    // The kernel has at most 8192 CPUs (NR_CPUS); more is not a CPU list.
    if (last < first || last >= 8192) return undefined;
    for (let cpu = first; cpu <= last; cpu++) cpus.add(cpu);
  }
  return [...cpus].sort((a, b) => a - b);
}
