export * from '../../src/io/started.ts';
