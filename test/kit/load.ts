export * from '../../src/bench/client/load.ts';
