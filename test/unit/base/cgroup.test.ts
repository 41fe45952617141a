import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { MachineFacts } from '../../../src/base/machine/facts.ts';
import { GIB } from '../../../src/base/units.ts';
import { makePlan } from '../../../src/plan/index.ts';
import { Cgroup } from '../../kit/cgroup.ts';
import { inputOf } from '../../kit/inputs.ts';
import { useScope } from '../../kit/vitest.ts';

const ROOT = join(import.meta.dirname, '../../..');

const group = Cgroup.make(useScope(), 'plan', { memory: 2 * GIB, cpus: 1 });
const why = group ? '' : ': none can be made here';

describe.skipIf(group === undefined)(`in a real cgroup with 2 GiB and one CPU${why}`, () => {
  it('the plan follows the cgroup', { timeout: 60_000 }, async () => {
    const program =
      "import { readMachine } from './src/base/machine/index.ts'; console.log(JSON.stringify(await readMachine()));";
    const output = await group?.inside(async () =>
      execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
        cwd: ROOT,
        encoding: 'utf8',
      }),
    );
    const machine = JSON.parse(output ?? '') as MachineFacts;
    expect(machine.memory.limit?.bytes).toBe(2 * GIB);
    expect(machine.memory.availableBytes).toBeLessThan(2 * GIB);
    expect(machine.cpu.quota?.cores).toBe(1);
    expect(machine.memory.limit?.source).toContain(group?.name);

    // The machine's own memory may be nearly used up: what is asked here is about the group.
    const { limit, ...memory } = machine.memory;
    const free = { ...memory, availableBytes: 2 * GIB, totalBytes: Math.max(memory.totalBytes, 4 * GIB) };
    const plan = makePlan(inputOf({ machine: { ...machine, memory: { ...free, ...(limit && { limit }) } } }));
    expect(plan.workers).toBe(1);
    expect(plan.memory.budget).toBeLessThan(2 * GIB);
    expect(plan.bounds.cores).toBe(Math.min(1, cpus().length));
  });
});
