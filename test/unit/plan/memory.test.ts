import { describe, expect, it } from 'vitest';
import { GIB, MIB } from '../../../src/base/units.ts';
import { makePlan } from '../../../src/plan/index.ts';
import { METRICS } from '../../../src/plan/model.ts';
import { loadPreset } from '../../../src/tune/presets.ts';
import { inputOf, machineOf, SERVICES } from '../../kit/inputs.ts';
import { REMOTE } from '../../kit/plans.ts';
import { settingsOf } from '../../kit/settings-of.ts';

describe('memory', () => {
  it('says how much is missing for one worker, and what would help', () => {
    const small = () => makePlan(inputOf({ machine: machineOf(2, 900 * MIB) }));
    // 510 + 2 × (110 + 64) = 858, of which 900 − 128 are there.
    expect(small).toThrow('86 MiB are missing');
    expect(small).toThrow(
      expect.objectContaining({
        exitCode: 5,
        mend: expect.arrayContaining([expect.stringContaining('RAG_EMBEDDING_ENGINE')]),
      }),
    );
  });

  it('fits two workers into a VPS with 1 GiB by the preset small', () => {
    const machine = machineOf(2, 1024 * MIB);
    // What a fresh Debian leaves.
    machine.memory.availableBytes = 850 * MIB;
    const plan = makePlan(
      inputOf({
        machine,
        preset: loadPreset('small', '/'),
        settings: settingsOf(loadPreset('small', '/').settings, 'preset'),
      }),
    );
    expect(plan.workers).toBe(2);
    expect(plan.memory).toMatchObject({ level: 'lean', predicted: (260 + 2 * 70) * MIB });
  });

  it.each([
    ['app', 530 + 2 * (28 + 9)],
    ['lean', 275 + 2 * (26 + 9)],
  ] as const)('takes what was measured with Python 3.12 for the level %s: %i MiB', (preload, mib) => {
    const { openWebui } = inputOf();
    const input = inputOf({
      preload,
      settings: REMOTE,
      workers: { value: 2, from: '--workers 2', source: 'flag' },
      openWebui: { ...openWebui, python: '3.12.1' },
    });
    expect(makePlan(input).memory.predicted).toBe(mib * MIB);
  });

  it.each([
    ['3.11.7', 1],
    ['3.12.1', 2],
  ])(
    'fits as many workers into a container of 512 MiB by the preset small, with Python %s: %i',
    (python, workers) => {
      const machine = machineOf(2, 16 * GIB);
      machine.memory.limit = { bytes: 512 * MIB, source: 'memory.max' };
      const preset = loadPreset('small', '/');
      const settings = settingsOf(preset.settings, 'preset');
      const { openWebui } = inputOf();
      const input = inputOf({ machine, preset, settings, openWebui: { ...openWebui, python } });
      expect(makePlan(input).workers).toBe(workers);
    },
  );

  it('counts on what the running cluster holds', () => {
    const machine = machineOf(4, 4 * GIB);
    const fresh = makePlan(inputOf({ machine }));
    machine.memory = { ...machine.memory, availableBytes: 1500 * MIB, ownBytes: 4 * GIB - 1500 * MIB };
    expect(makePlan(inputOf({ machine })).workers).toBe(fresh.workers);
  });

  it.each([
    ['app', 'full'],
    ['lean', 'lean'],
    ['libraries', 'libraries'],
    ['none', 'none'],
    ['auto', 'full'],
  ] as const)('--preload %s is planned for as %s', (preload, level) =>
    expect(makePlan(inputOf({ preload })).memory.level).toBe(level),
  );

  it('warns of a lean preload where workers embed themselves', () => {
    const warnings = (engine: string) =>
      makePlan(inputOf({ preload: 'lean', settings: settingsOf({ RAG_EMBEDDING_ENGINE: engine }) })).warnings;
    expect(warnings('').join()).toContain('loads its own copy of torch and the model');
    expect(warnings('openai')).toEqual([]);
  });

  it('counts no local model where Open WebUI is the slim one', () => {
    const settings = settingsOf({ USE_SLIM_DOCKER: 'True' });
    expect(makePlan(inputOf({ settings })).memory.level).toBe('lean');
  });

  it.each(['auto', 'app', 'lean'] as const)('--preload %s is less where Chroma is local', (preload) => {
    const settings = settingsOf({ VECTOR_DB: 'chroma', RAG_EMBEDDING_ENGINE: 'openai' });
    expect(makePlan(inputOf({ preload, settings })).memory.level).toBe('libraries');
  });

  it('leaves a worker the room without which its limit is not enforced', () => {
    const machine = machineOf(1, 2 * GIB);
    for (const preload of ['lean', 'libraries', 'none'] as const) {
      const { worker, supervisor, workerLimit } = makePlan(
        inputOf({ machine, preload, preset: loadPreset('small', '/'), settings: REMOTE }),
      ).memory;
      expect(workerLimit).toBeGreaterThanOrEqual(1.25 * (worker - supervisor));
    }
  });
});

describe('services on the same machine', () => {
  const colocated = (bytes: number, cpuShare = 0.08) => [
    { name: 'PostgreSQL' as const, where: '127.0.0.1:5432', bytes, reason: 'r', cpuShare },
  ];

  it('take memory and cores', () => {
    const machine = machineOf(64, 4 * GIB);
    const services = { ...SERVICES, colocated: colocated(GIB) };
    const plan = makePlan(inputOf({ machine, services }));
    expect(plan.memory.services).toBe(GIB);
    expect(plan.bounds.cores).toBe(59);
    expect(plan.workers).toBeLessThan(makePlan(inputOf({ machine })).workers);
    expect(plan.recommendations.find(({ key }) => key === 'memory.services')?.reason).toContain(
      '8 % of the cores',
    );
  });

  it.each([
    [1, 1],
    [2, 2],
    [4, 4],
    [8, 7],
  ])('%d cores beside PostgreSQL and Redis feed %d workers', (cores, workers) => {
    const machine = machineOf(cores, 64 * GIB);
    expect(makePlan(inputOf({ machine, services: { ...SERVICES, colocated: colocated(0) } })).workers).toBe(
      workers,
    );
  });

  it('leave one worker, and a warning', () => {
    const plan = makePlan(inputOf({ services: { ...SERVICES, colocated: colocated(100 * GIB) } }));
    expect(plan.workers).toBe(1);
    expect(plan.warnings.join()).toContain('more than one worker leaves');
  });
});

describe('metrics', () => {
  it('take the memory of a process of Node', () => {
    const [without, plan] = [makePlan(inputOf()), makePlan(inputOf({ metricsPort: 9464 }))];
    expect(plan.metricsPort).toBe(9464);
    expect(plan.memory.services - without.memory.services).toBe(METRICS);
    expect(plan.recommendations).toContainEqual(
      expect.objectContaining({ key: 'metrics', value: 'http://127.0.0.1:9464/metrics' }),
    );
    expect(without).not.toHaveProperty('metricsPort');
  });
});
