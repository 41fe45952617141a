export * from '../../src/client/connections.ts';
