export * from '../../src/client/load.ts';
