export * from '../../src/base/machine/process-table.ts';
