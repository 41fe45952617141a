export * from '../../src/base/io/temp.ts';
