export * from '../../src/io/wait.ts';
