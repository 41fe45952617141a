export * from '../../src/bench/client/connections.ts';
