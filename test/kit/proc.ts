export * from '../../src/machine/process-table.ts';
