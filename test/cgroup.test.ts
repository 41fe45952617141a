import { execFileSync } from 'node:child_process';
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { makePlan } from '../src/plan/index.ts';
import type { MachineFacts } from '../src/types.ts';
import { GIB } from '../src/units.ts';
import { inputOf } from './inputs.ts';

const ROOT = join(import.meta.dirname, '..');
const NAME = `webui-tune-test-${process.pid}`;

/** Files of a group with 2 GiB and one CPU, by the folders in which version 1 and 2 want them. */
const LAYOUTS: readonly Readonly<Record<string, Readonly<Record<string, string>>>>[] = [
  { '/sys/fs/cgroup': { 'memory.max': String(2 * GIB), 'cpu.max': '100000 100000' } },
  {
    '/sys/fs/cgroup/memory': { 'memory.limit_in_bytes': String(2 * GIB) },
    '/sys/fs/cgroup/cpu': { 'cpu.cfs_period_us': '100000', 'cpu.cfs_quota_us': '100000' },
  },
];

const made: string[] = [];

/** Folders of a real group; undefined where this machine does not let us make one. */
function makeGroup(): string[] | undefined {
  for (const layout of LAYOUTS) {
    try {
      for (const [parent, files] of Object.entries(layout)) {
        const folder = join(parent, NAME);
        mkdirSync(folder);
        made.push(folder);
        // Existing files only: where no hierarchy is mounted, this would make ordinary ones.
        for (const [name, value] of Object.entries(files)) {
          writeFileSync(join(folder, name), value, { flag: 'r+' });
        }
      }
      return [...made];
    } catch {
      for (const folder of made.splice(0)) rmdirSync(folder);
    }
  }
  return undefined;
}

const group = process.platform === 'linux' ? makeGroup() : undefined;

afterAll(async () => {
  for (const folder of made) {
    // A group is busy for a moment after its last process has gone.
    for (let attempt = 0; attempt < 50; attempt++) {
      try {
        rmdirSync(folder);
        break;
      } catch {
        await sleep(20);
      }
    }
  }
});

describe.skipIf(group === undefined)('in a real cgroup with 2 GiB and one CPU', () => {
  it('the plan follows the cgroup', { timeout: 60_000 }, () => {
    const enter = (group ?? []).map((folder) => `echo $$ > '${folder}/cgroup.procs' && `).join('');
    const program =
      "import { readMachine } from './src/machine/index.ts'; console.log(JSON.stringify(await readMachine()));";
    const output = execFileSync(
      'sh',
      ['-c', `${enter}exec "$0" --import tsx --input-type=module -e "$1"`, process.execPath, program],
      { cwd: ROOT, encoding: 'utf8' },
    );
    const machine = JSON.parse(output) as MachineFacts;
    expect(machine.memory.limit?.bytes).toBe(2 * GIB);
    expect(machine.memory.availableBytes).toBeLessThan(2 * GIB);
    expect(machine.cpu.quota?.cores).toBe(1);
    expect(machine.memory.limit?.source).toContain(NAME);

    // The machine's own memory may be nearly used up: what is asked here is about the group.
    const { limit, ...memory } = machine.memory;
    const free = { ...memory, availableBytes: 2 * GIB, totalBytes: Math.max(memory.totalBytes, 4 * GIB) };
    const plan = makePlan(inputOf({ machine: { ...machine, memory: { ...free, ...(limit && { limit }) } } }));
    expect(plan.workers).toBe(1);
    expect(plan.memory.budget).toBeLessThan(2 * GIB);
    expect(plan.bounds.cores).toBe(Math.min(1, cpus().length));
  });
});
