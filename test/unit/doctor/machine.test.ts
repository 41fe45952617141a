import { describe, expect, it } from 'vitest';
import { MIB } from '../../../src/base/units.ts';
import { CHECKS } from '../../../src/doctor/checks/index.ts';
import type { Facts } from '../../../src/doctor/facts.ts';
import { type Partly, plan, treeOf, verdictsOf } from '../../kit/doctor-facts.ts';

describe('machine.memory', () => {
  const mendOf = (facts: Partly<Facts>) =>
    CHECKS.find(({ id }) => id === 'machine.memory')
      ?.run(facts as Facts)[0]
      ?.mend.join() ?? '';
  const { memory, workers } = plan;
  const figures = { preset: 'p', settings: 's', embedsLocally: true, architecture: 'x64', supervisor: 0 };
  const file = (base: number) => ({
    path: '/e.js',
    env: { WEBUI_TUNE_PLANNED: JSON.stringify({ ...figures, base, worker: memory.worker }) },
  });

  it('compares with what the file was made with, and sends for another plan where that would say what is', () => {
    const cluster = treeOf(memory.predicted);
    expect(verdictsOf('machine.memory', { cluster, plan, ecosystem: file(memory.base) })).toEqual(['ok']);
    const low = { cluster, plan, ecosystem: file(memory.base / 3) };
    expect(verdictsOf('machine.memory', low)).toEqual(['warning']);
    expect(mendOf(low)).toContain('webui-tune --out /e.js --force');
  });

  it('sends for a reload where workers have grown, and no plan would say so', () => {
    const grown = { cluster: treeOf(memory.predicted * 1.2), plan, ecosystem: file(memory.base) };
    expect(verdictsOf('machine.memory', grown)).toEqual(['warning']);
    expect(mendOf(grown)).toContain('pm2 reload');
  });

  it('tells each part of the tree', () => {
    const cluster = treeOf(memory.predicted);
    const [finding] = CHECKS.find(({ id }) => id === 'machine.memory')?.run({ cluster, plan } as Facts) ?? [];
    const mib = (bytes: number) => `${Math.round(bytes / MIB)} MiB`;
    const own = memory.worker - memory.supervisor;
    expect(finding?.found).toContain(`preload ${mib(memory.base)} (planned ${mib(memory.base)})`);
    expect(finding?.found).toContain(`${workers} workers ${mib(workers * own)}, the largest ${mib(own)}`);
    expect(finding?.found).toContain(`${workers} supervisors ${mib(workers * memory.supervisor)}`);
  });
});
