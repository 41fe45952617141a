export * from '../../src/base/io/started.ts';
