export * from '../../src/base/io/wait.ts';
