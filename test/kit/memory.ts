export * from '../../src/machine/process-memory.ts';
export { MIB } from '../../src/units.ts';
