export * from '../../src/base/machine/process-memory.ts';
export { MIB } from '../../src/base/units.ts';
