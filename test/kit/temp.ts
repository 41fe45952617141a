export * from '../../src/io/temp.ts';
