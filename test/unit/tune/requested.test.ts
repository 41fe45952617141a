import { describe, expect, it } from 'vitest';
import { GIB } from '../../../src/base/units.ts';
import type { TuneOptions } from '../../../src/tune/options.ts';
import { readRequest, withCpus } from '../../../src/tune/requested.ts';
import { machineOf } from '../../kit/inputs.ts';

const here = machineOf(2, 8 * GIB);

const requestedBy = (options: TuneOptions, machine = here) =>
  readRequest(options, machine, undefined).requested;

describe('the number of workers', () => {
  const variable = { name: 'WEB_CONCURRENCY', value: '3', source: 'env file' } as const;
  const workersOf = (options: TuneOptions) => readRequest(options, here, variable).requested.workers;

  it('is the flag’s rather than the variable’s, and auto is none', () => {
    expect(workersOf({ workers: 2 })).toEqual({ value: 2, from: '--workers 2', source: 'flag' });
    expect(workersOf({ workers: '1..4' })).toEqual({
      value: 4,
      least: 1,
      from: '--workers 1..4',
      source: 'flag',
    });
    expect(() => workersOf({ workers: 'four' })).toThrow('--workers "four" is not a range such as 1..4');
    expect(workersOf({ workers: 'auto' })).toBeUndefined();
    expect(workersOf({})).toEqual({ value: 3, from: 'WEB_CONCURRENCY=3', source: 'env file' });
    expect(requestedBy({}).workers).toBeUndefined();
  });

  it.each(['0', '-1', '1.5', 'many'])('is not %s', (value) =>
    expect(() => readRequest({}, here, { ...variable, value })).toThrow('WEB_CONCURRENCY is'),
  );
});

describe('the address', () => {
  it('is of this machine only, unless the user says otherwise', () => {
    expect(requestedBy({}).host).toEqual({ value: '127.0.0.1', from: 'by default', source: 'computed' });
    expect(requestedBy({ host: '0.0.0.0' }).host).toEqual({
      value: '0.0.0.0',
      from: '--host',
      source: 'flag',
    });
  });
});

describe('--memory', () => {
  it('is bytes, or a percentage of what there could be', () => {
    expect(requestedBy({ memory: ' 1GiB' }).memory).toEqual({
      value: GIB,
      from: '--memory 1GiB',
      source: 'flag',
    });
    expect(requestedBy({ memory: '50%' }).memory).toMatchObject({ value: 4 * GIB, from: '--memory 50%' });
    expect(requestedBy({}).memory).toBeUndefined();
    const limited = { ...here, memory: { ...here.memory, limit: { bytes: 2 * GIB, source: 'memory.max' } } };
    expect(requestedBy({ memory: '50%' }, limited).memory?.value).toBe(GIB);
  });

  it.each(['lots', '0', '200%'])('is not %s', (memory) =>
    expect(() => requestedBy({ memory })).toThrow('neither a size'),
  );
});

describe('--cpus', () => {
  it.each([
    [4, { physicalCores: 4, source: '--cpus 4' }],
    [1.5, { physicalCores: 2, quota: { cores: 1.5, source: '--cpus 1.5' } }],
  ])('%d', (cpus, cpu) => expect(withCpus(cpus, here)).toMatchObject({ cpu, memory: here.memory }));

  it('with a size of memory is another machine', () =>
    expect(readRequest({ cpus: 8, memory: '64GiB' }, here, undefined).machine.memory).toEqual({
      totalBytes: 64 * GIB,
      availableBytes: 64 * GIB,
      swapBytes: 0,
      source: '--memory 64GiB',
    }));

  it.each([{ memory: '64GiB' }, { cpus: 8 }, { cpus: 8, memory: '50%' }])('%j is this machine', (flags) =>
    expect(readRequest(flags, here, undefined).machine.memory).toEqual(here.memory),
  );
});

describe('what a preset may say too', () => {
  it('is taken from the flag; a switch that is on leaves it to the preset', () => {
    expect(requestedBy({ preload: 'lean', staticCache: false, shortcuts: true })).toMatchObject({
      preload: 'lean',
      staticCache: false,
    });
    expect(requestedBy({ shortcuts: true })).not.toHaveProperty('shortcuts');
  });
});

describe('--metrics', () => {
  it('cannot have the port of the workers, and needs Linux', () => {
    expect(() => requestedBy({ metrics: 8080 })).toThrow('the workers listen on that port');
    expect(() => requestedBy({ metrics: 9464 }, { ...here, platform: 'darwin' })).toThrow('/proc');
    expect(requestedBy({ metrics: 'off' })).not.toHaveProperty('metricsPort');
    expect(requestedBy({ metrics: 9464 })).toMatchObject({ metricsPort: 9464 });
  });
});
