import { describe, expect, it } from 'vitest';
import { GIB, MIB } from '../../../src/base/units.ts';
import { planDocuments } from '../../../src/plan/documents.ts';
import { makePlan } from '../../../src/plan/index.ts';
import { bytesForTree } from '../../../src/plan/memory.ts';
import { inputOf, machineOf } from '../../kit/inputs.ts';

const planned = (cores: number, left: number) => planDocuments('auto', cores, left, 'lean');

describe('documents beside the workers', () => {
  it('take half of the cores, two at least and four at most', () => {
    expect([1, 2, 5, 8, 64].map((cores) => planned(cores, 100 * GIB).atOnce)).toEqual([2, 2, 3, 4, 4]);
  });

  it('are as many as are asked for', () => {
    expect(planDocuments(7, 2, 100 * GIB, 'full').atOnce).toBe(7);
    expect(planDocuments(1, 64, 100 * GIB, 'full').atOnce).toBe(1);
  });

  it('are fewer where the workers leave little memory, but never none', () => {
    expect(planned(8, 3 * 512 * MIB).atOnce).toBe(3);
    expect(planDocuments(7, 8, 3 * 512 * MIB, 'lean').atOnce).toBe(3);
    expect(planned(8, 0)).toEqual({ atOnce: 1, memoryLimit: 512 * MIB });
  });

  it('share half of what the workers leave, up to 2 GiB each', () => {
    expect(planned(2, 2600 * MIB).memoryLimit).toBe(640 * MIB);
    expect(planned(2, 100 * GIB).memoryLimit).toBe(2 * GIB);
  });

  it('are the workers’ own where no app can be forked', () => {
    for (const level of ['libraries', 'none', 'uvicorn'] as const) {
      expect(planDocuments(3, 2, GIB, level)).toEqual({ atOnce: 0, memoryLimit: 0 });
    }
  });
});

describe('a plan', () => {
  const planOf = (bytes: number, overrides: Parameters<typeof inputOf>[0] = {}) =>
    makePlan(inputOf({ machine: machineOf(8, bytes), ...overrides }));

  it('has room for all workers and documents at their limits', () => {
    for (const bytes of [4 * GIB, 6 * GIB, 16 * GIB]) {
      const { memory, workers, documents } = planOf(bytes);
      const limits =
        workers * (memory.workerLimit + memory.supervisor) + documents.atOnce * documents.memoryLimit;
      const starting = memory.worker + memory.growth;
      expect(memory.base + starting + limits, `${bytes / GIB} GiB`).toBeLessThanOrEqual(bytesForTree(memory));
    }
  });

  it('takes the memory for documents that are asked for from the workers', () => {
    const [usual, asked] = [planOf(4 * GIB), planOf(4 * GIB, { documentsAtOnce: 4 })];
    expect(asked.documents.atOnce).toBe(4);
    expect(asked.workers).toBeLessThan(usual.workers);
    expect(asked.recommendations).toContainEqual(
      expect.objectContaining({ key: 'documents', value: 4, source: 'flag' }),
    );
  });

  it('says where memory does not suffice for as many as are asked for', () => {
    const { workers, documents, warnings } = planOf(4 * GIB, { documentsAtOnce: 100 });
    expect(workers).toBe(1);
    expect(documents.atOnce).toBeLessThan(100);
    expect(warnings.join()).toContain('100 documents at once were asked for, but memory allows only');
  });
});
